// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/ATen.h>
#include <c10/util/Exception.h>
#include <caffe2/serialize/inline_container.h>

#include <cstddef>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>

#include "../checkpoint/load.hpp"
#include "../checkpoint/replace_file.hpp"
#include "../policy/classic_locale.hpp"
#include "pickler.hpp"
#include "unpickler.hpp"

// The files of Python's torch.save and torch.load: a zip archive with a pickle, data.pkl, and the
// memory of each tensor, data/0, data/1, ... LibTorch's own torch::pickle_load and pickle_save do
// not suffice: the one cannot read the state_dict() of a module, and what the other writes is
// refused by torch.load(..., weights_only=True).
namespace agmohd {

namespace checkpoint {

/// The value in an archive of Python's torch.save. Throws std::exception.
inline c10::IValue read_python(const std::string& path) {
  char start[2] = {};
  std::ifstream(path, std::ios::binary).read(start, sizeof start);
  TORCH_CHECK(start[0] != '\x80',
              "it has the format of PyTorch before 1.6; save it again with a newer one");
  TORCH_CHECK(start[0] == 'P' && start[1] == 'K', "it is no file of Python's torch.save");
  std::optional<caffe2::serialize::PyTorchStreamReader> archive;
  std::string why;
  try {
    archive.emplace(path);
  } catch (const c10::Error& error) {
    why = error.what_without_backtrace();
  }
  TORCH_CHECK(archive.has_value(), "it is damaged: ", why.substr(0, why.find(". ")));
  TORCH_CHECK(!archive->hasRecord("constants.pkl"),
              "C++ wrote it, with agmohd::save or torch::save; read it with agmohd::load");
  TORCH_CHECK(archive->hasRecord("data.pkl"),
              "it is no file of Python's torch.save: it has no data.pkl");
  const std::uintmax_t whole = std::filesystem::file_size(path);
  const auto record_of = [&](const std::string& name) {
    // Before as much is allocated.
    TORCH_CHECK(archive->getRecordSize(name) <= whole, "it is damaged: ", name,
                " is larger than the file");
    return archive->getRecord(name);
  };
  const auto [pickle, size] = record_of("data.pkl");
  if (archive->hasRecord("byteorder")) {
    const auto [order, length] = record_of("byteorder");
    TORCH_CHECK(std::string_view(static_cast<const char*>(order.get()), length) == "little",
                "its numbers are big-endian");
  }

  std::map<std::pair<std::string, at::ScalarType>, at::Tensor> storages;
  const auto storage = [&](const std::string& key, at::ScalarType dtype, std::int64_t count) {
    at::Tensor& elements = storages[{key, dtype}];
    if (elements.defined() && elements.numel() == count) return elements;
    auto record = std::make_shared<at::DataPtr>();
    std::size_t bytes = 0;
    if (count > 0) std::tie(*record, bytes) = record_of("data/" + key);
    const std::size_t each = c10::elementSize(dtype);
    TORCH_CHECK(bytes % each == 0 && bytes / each == static_cast<std::size_t>(count),
                detail::classic, "it is damaged: data/", key, " has ", bytes, " bytes, not ", count,
                " elements of ", each);
    elements = count > 0 ? at::from_blob(
                               record->get(), {count}, [record](void*) {}, dtype)
                         : at::empty({0}, dtype);
    return elements;
  };
  return Unpickler(std::string_view(static_cast<const char*>(pickle.get()), size), storage).read();
}

}  // namespace checkpoint

namespace python {

/// What Python's torch.save(x, path) wrote, if it holds nothing but None, booleans, numbers,
/// strings, tensors, tuples, lists and dictionaries. Tensors go to the CPU, parameters are plain
/// tensors, an OrderedDict is a dictionary.
/// @throws c10::Error  that names the file and what is wrong with it.
inline c10::IValue read(const std::string& path) {
  checkpoint::require_file(path);
  std::string why;
  try {
    return checkpoint::read_python(path);
  } catch (const c10::Error& error) {
    why = error.what_without_backtrace();
  } catch (const std::exception& error) {
    why = error.what();
  }
  C10_THROW_ERROR(Error, c10::str("agmohd: cannot read ", path, ": ", checkpoint::first_line(why)));
}

/// Writes what Python's torch.load(path, weights_only=True) reads, of the same kinds of values, and
/// replaces the file at once, as agmohd::save does. Python finds tensors on the CPU.
/// @throws c10::Error  and leaves the old file. Waits for the device.
inline void write(const c10::IValue& value, const std::string& path) {
  checkpoint::Pickler pickler;
  pickler.write(value);
  checkpoint::ReplacedFile file(path);
  // A writer that never fails: LibTorch's would end the program in its destructor.
  caffe2::serialize::PyTorchStreamWriter archive(
      [&file](const void* data, std::size_t size) -> std::size_t {
        file.write(data, size);
        return size;
      });
  archive.writeRecord("data.pkl", pickler.pickle().data(), pickler.pickle().size());
  archive.writeRecord("byteorder", "little", 6);
  std::size_t number = 0;
  for (const at::Tensor& x : pickler.tensors()) {
    const at::Tensor host = x.cpu();
    const void* const data = host.numel() > 0 ? host.const_data_ptr() : "";
    archive.writeRecord("data/" + std::to_string(number++), data, host.nbytes());
  }
  archive.writeEndOfFile();
  file.commit();
}

}  // namespace python

}  // namespace agmohd
