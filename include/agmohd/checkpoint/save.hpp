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
  const auto fail = [&](const char* what) {
    const int error = errno;
    std::remove(temporary.c_str());
    TORCH_CHECK(false, "agmohd: cannot ", what, " ", temporary, " to replace ", path, ": ",
                std::strerror(error));
  };
  try {
    archive.save_to(temporary);
  } catch (...) {
    std::remove(temporary.c_str());
    throw;
  }
  const int file = ::open(temporary.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) fail("open");
  const bool synced = ::fsync(file) == 0;
  ::close(file);
  if (!synced) fail("write");
  if (std::rename(temporary.c_str(), path.c_str()) != 0) fail("rename");
}

}  // namespace agmohd
