// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <c10/util/Exception.h>
#include <fcntl.h>
#include <torch/serialize/archive.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>

namespace agmohd {

/// Writes what torch::save writes (a module, a tensor, an optimizer, an archive's worth of anything
/// with operator<<), but replaces the file at once: until all of it is on the disk, `path` keeps
/// what it held. Read it with torch::load. Throws c10::Error; a failed save leaves the old file.
template <class Value>
void save(const Value& value, const std::string& path) {
  torch::serialize::OutputArchive archive(std::make_shared<torch::jit::CompilationUnit>());
  archive << value;
  const std::string temporary = path + ".partial-" + std::to_string(::getpid());
  int error = 0;
  const auto fail = [&](const char* what) {
    std::remove(temporary.c_str());
    TORCH_CHECK(false, "agmohd: cannot ", what, " ", temporary, " to replace ", path, ": ",
                std::strerror(error));
  };
  const int file = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (file < 0) {
    error = errno;
    fail("create");
  }
  try {
    // A writer that never fails: LibTorch's would end the program in its destructor.
    archive.save_to([&](const void* data, std::size_t size) -> std::size_t {
      const char* from = static_cast<const char*>(data);
      for (std::size_t left = size; error == 0 && left > 0;) {
        const ssize_t written = ::write(file, from, left);
        if (written < 0 && errno != EINTR) error = errno;
        if (written > 0) {
          from += written;
          left -= std::size_t(written);
        }
      }
      return size;
    });
  } catch (...) {
    ::close(file);
    std::remove(temporary.c_str());
    throw;
  }
  if (error == 0 && ::fsync(file) != 0) error = errno;
  ::close(file);
  if (error != 0) fail("write");
  if (std::rename(temporary.c_str(), path.c_str()) != 0) {
    error = errno;
    fail("rename");
  }
}

}  // namespace agmohd
