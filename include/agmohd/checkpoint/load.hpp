// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <c10/util/Exception.h>
#include <sys/stat.h>
#include <torch/serialize.h>

#include <cstddef>
#include <cstring>
#include <exception>
#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "zip_directory.hpp"

namespace agmohd {

namespace checkpoint {

/// Whether torch.save of Python wrote a file: an archive of one pickle without code and constants,
/// or, up to PyTorch 1.5, a bare pickle, which begins with the number of its protocol.
inline bool is_of_python(const std::string& path) {
  const ReadFile file(path);
  char start[2];
  if (!file.read(0, start, sizeof start)) return false;
  if (start[0] == '\x80') return start[1] >= 2 && start[1] <= 5;
  if (start[0] != 'P' || start[1] != 'K') return false;
  bool pickle = false;
  // All of them: in a damaged file of C++ one may be lost.
  for (const std::string& record : records_of(zip_directory(file))) {
    const char* const name = record.c_str();
    if (std::strncmp(name, "code/", 5) == 0 || std::strncmp(name, "constants", 9) == 0)
      return false;
    pickle = pickle || std::strcmp(name, "data.pkl") == 0;
  }
  return pickle;
}

/// The first line of an error's text that is not blank, without a colon at its end: LibTorch's
/// errors of code begin with a line break, and show the code in other lines.
inline std::string first_line(const std::string& text) {
  const std::size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string::npos) return "LibTorch does not say why";
  std::string line = text.substr(begin, text.find('\n', begin) - begin);
  if (line.back() == ':') line.pop_back();
  return line;
}

/// Calls take(), which takes what was read of a file: its c10::Error names the file.
template <class Take>
void naming(const std::string& path, const Take& take) {
  std::string why;
  try {
    take();
    return;
  } catch (const c10::OutOfMemoryError&) {
    throw;
  } catch (const c10::Error& error) {
    why = error.what_without_backtrace();
  } catch (const std::bad_alloc&) {
    throw;
  } catch (const std::exception& error) {  // LibTorch's of a key that is missing is no c10::Error
    why = first_line(error.what());
  }
  constexpr std::string_view kPrefix = "agmohd: ";
  if (why.starts_with(kPrefix)) why.erase(0, kPrefix.size());
  TORCH_CHECK(false, "agmohd: cannot load ", path, ": ", why);
}

/// Throws c10::Error that says why unless a file can be opened.
inline void require_file(const std::string& path) {
  struct stat is;
  TORCH_CHECK(::stat(path.c_str(), &is) == 0, "agmohd: cannot read ", path,
              ": there is no such file");
  TORCH_CHECK(!S_ISDIR(is.st_mode), "agmohd: cannot read ", path, ": it is a folder");
  TORCH_CHECK(ReadFile(path).is_open(), "agmohd: cannot read ", path, ": it may not be opened");
}

}  // namespace checkpoint

namespace detail {

struct Load {
  void operator()(torch::serialize::InputArchive& archive, const std::string& path,
                  std::optional<at::Device> device = {}) const {
    checkpoint::require_file(path);
    TORCH_CHECK(
        !checkpoint::is_of_python(path), "agmohd: cannot read ", path,
        ": Python's torch.save wrote it; agmohd::load_python() of <agmohd/python.hpp> reads it");
    std::string why;
    try {
      archive.load_from(path, device);
      return;
    } catch (const c10::Error& error) {
      why = error.what_without_backtrace();
    } catch (const std::exception& error) {
      why = error.what();
    }
    TORCH_CHECK(false, "agmohd: cannot read ", path,
                ": it is damaged, or no file of agmohd::save or torch::save: ",
                checkpoint::first_line(why));
  }
  template <class Value>
  void operator()(Value& value, const std::string& path,
                  std::optional<at::Device> device = {}) const {
    using torch::operator>>;
    torch::serialize::InputArchive archive;
    (*this)(archive, path, device);
    constexpr bool known = requires { archive >> value; };
    static_assert(known,
                  "agmohd: load(value, path) takes an optimizer, a module, a tensor, a vector of "
                  "tensors, a scheduler, a wrapper, and what has operator>> of a "
                  "torch::serialize::InputArchive; load an archive, and read others of it");
    if constexpr (known) checkpoint::naming(path, [&] { archive >> value; });
  }
  void operator()(std::vector<at::Tensor>& tensors, const std::string& path,
                  std::optional<at::Device> device = {}) const {
    torch::serialize::InputArchive archive;
    (*this)(archive, path, device);
    std::vector<at::Tensor> read;
    for (at::Tensor one; archive.try_read(std::to_string(read.size()), one); one = at::Tensor()) {
      read.push_back(one);
    }
    TORCH_CHECK(read.size() == archive.keys().size(), "agmohd: cannot load ", path,
                ": it does not hold a vector of tensors");
    tensors = std::move(read);
  }
};

}  // namespace detail

/// load(value, path) reads what save() or torch::save wrote of the same kind of thing; an archive
/// is opened, for reading item by item. `device`: where tensors go that are new; an optimizer's go
/// to their parameters'. Throws c10::Error that names the file and what is wrong with it; after an
/// error, an optimizer is as it was. An object, as save.
inline constexpr detail::Load load;

}  // namespace agmohd
