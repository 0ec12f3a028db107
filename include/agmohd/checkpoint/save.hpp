// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "../policy/compiler.hpp"

#include <torch/serialize.h>

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "replace_file.hpp"

namespace agmohd {

namespace detail {

struct Save {
  void operator()(torch::serialize::OutputArchive& archive, const std::string& path) const {
    checkpoint::ReplacedFile file(path);
    // A writer that never fails: LibTorch's would end the program in its destructor.
    archive.save_to([&file](const void* data, std::size_t size) -> std::size_t {
      file.write(data, size);
      return size;
    });
    file.commit();
  }
  template <class Value>
  void operator()(const Value& value, const std::string& path) const {
    using torch::operator<<;
    torch::serialize::OutputArchive archive(std::make_shared<torch::jit::CompilationUnit>());
    constexpr bool known = requires { archive << value; };
    static_assert(known,
                  "agmohd: save(value, path) takes an optimizer, a module, a tensor, a vector of "
                  "tensors, a scheduler, a wrapper, and what has operator<< into a "
                  "torch::serialize::OutputArchive; write others into an archive, and save that");
    if constexpr (known) archive << value;
    (*this)(archive, path);
  }
  void operator()(const std::vector<at::Tensor>& tensors, const std::string& path) const {
    torch::serialize::OutputArchive archive(std::make_shared<torch::jit::CompilationUnit>());
    for (std::size_t i = 0; i < tensors.size(); ++i) archive.write(std::to_string(i), tensors[i]);
    (*this)(archive, path);
  }
};

}  // namespace detail

/// save(value, path) writes what torch::save writes (an optimizer, a module, a tensor, a vector of
/// tensors, a scheduler, an average or another wrapper, anything with operator<< into an archive;
/// or an archive that the program filled), but replaces the file at once: until all of it is on the
/// disk, `path` keeps what it held. Symbolic transforms and permissions stay, and any number of
/// threads and processes may save to one path. Read it with agmohd::load or torch::load. Throws
/// c10::Error; a failed save leaves the old file. An object, so that it does not compete with a
/// program's own save(optimizer, path).
inline constexpr detail::Save save;

}  // namespace agmohd
