// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdio>
#include <cstring>
#include <initializer_list>
#include <string>
#include <vector>

// What a zip archive of PyTorch has, without caffe2/serialize/inline_container.h, which takes long
// to compile.
namespace agmohd::checkpoint {

/// An unsigned number of so many bytes, four at most, the lowest first.
inline long zip_number(const char* at, int bytes) {
  unsigned long x = 0;
  while (bytes-- > 0) x = x << 8U | static_cast<unsigned char>(at[bytes]);
  return long(x);
}

/// A file, for reading.
class ReadFile {
 public:
  explicit ReadFile(const std::string& path) : file_(std::fopen(path.c_str(), "rb")) {}
  ReadFile(const ReadFile&) = delete;
  ReadFile& operator=(const ReadFile&) = delete;
  ~ReadFile() {
    if (is_open()) std::fclose(file_);
  }
  bool is_open() const { return file_ != nullptr; }
  /// -1: it has none.
  long size() const {
    return is_open() && std::fseek(file_, 0, SEEK_END) == 0 ? std::ftell(file_) : -1;
  }
  /// Whether it has as many bytes from there on.
  bool read(long from, char* to, std::size_t bytes) const {
    return is_open() && std::fseek(file_, from, SEEK_SET) == 0 &&
           std::fread(to, 1, bytes, file_) == bytes;
  }

 private:
  std::FILE* file_;
};

/// The directory of an archive, which has an entry for each record. Empty: there is none. It ends
/// where the end records begin: of 22 bytes, after 76 of ZIP64 in what PyTorch writes.
inline std::string zip_directory(const ReadFile& file) {
  constexpr long kEnd = 22, kEnd64 = 76, kLocator = 20, kAll = kEnd64 + kEnd;
  const long size = file.size();
  char end[kAll];
  if (size < kAll || !file.read(size - kAll, end, kAll)) return {};
  if (std::memcmp(end + kEnd64, "PK\5\6", 4) != 0) return {};
  const bool large = std::memcmp(end + kEnd64 - kLocator, "PK\6\7", 4) == 0;
  const long after = size - (large ? kAll : kEnd);
  const long bytes = zip_number(end + kEnd64 + 12, 4);
  if (bytes < 0 || bytes > after) return {};
  std::string directory(std::size_t(bytes), '\0');
  return file.read(after - bytes, directory.data(), directory.size()) ? directory : std::string();
}

/// The names of the records in a directory, without the folder that all are in. Empty: it is
/// damaged.
inline std::vector<std::string> records_of(const std::string& directory) {
  constexpr std::size_t kEntry = 46;  // bytes before the name
  std::vector<std::string> out;
  for (std::size_t at = 0; at < directory.size();) {
    const char* const entry = directory.data() + at;
    if (directory.size() - at < kEntry || std::memcmp(entry, "PK\1\2", 4) != 0) return {};
    const std::string name = directory.substr(at + kEntry, std::size_t(zip_number(entry + 28, 2)));
    out.push_back(name.substr(name.find('/') + 1));
    at += kEntry;
    for (const int length : {28, 30, 32}) at += std::size_t(zip_number(entry + length, 2));
  }
  return out;
}

}  // namespace agmohd::checkpoint
