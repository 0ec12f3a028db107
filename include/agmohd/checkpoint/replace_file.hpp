// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <c10/util/Exception.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <random>
#include <string>
#include <system_error>
#include <utility>

namespace agmohd::checkpoint {

/// A file that replaces `path` all at once: write() and then commit(). Until the end of commit(),
/// and if it is never called, `path` keeps what it held. Any number of threads and processes may
/// replace one path; the last commit() holds. A symbolic link stays, and what it names is replaced;
/// permissions of a file that was there are kept. Errors are c10::Error, and leave nothing behind.
class ReplacedFile {
 public:
  explicit ReplacedFile(const std::string& path) : path_(target_of(path)) {
    struct stat old;
    exists_ = ::stat(path_.c_str(), &old) == 0;
    mode_ = old.st_mode;
    TORCH_CHECK(!exists_ || S_ISREG(old.st_mode), "agmohd: cannot replace ", path_.string(),
                ": it is not a regular file");
    remove_litter();
    while (!create()) {
    }
  }
  ReplacedFile(const ReplacedFile&) = delete;
  ReplacedFile& operator=(const ReplacedFile&) = delete;
  ~ReplacedFile() {
    if (file_ < 0) return;
    ::unlink(temporary_.c_str());
    ::close(file_);
  }

  /// Never throws: the first error is thrown by commit().
  void write(const void* data, std::size_t size) noexcept {
    const char* from = static_cast<const char*>(data);
    while (error_ == 0 && size > 0) {
      const ssize_t written = ::write(file_, from, size);
      if (written < 0) {
        if (errno != EINTR) error_ = errno;
        continue;
      }
      from += written;
      size -= std::size_t(written);
    }
  }

  /// When it returns, file and folder are on the disk.
  void commit() {
    if (error_ == 0 && exists_ && ::fchmod(file_, mode_ & 07777U) != 0) error_ = errno;
    if (error_ == 0 && ::fsync(file_) != 0) error_ = errno;
    if (error_ != 0) fail("write", error_);
    if (::rename(temporary_.c_str(), path_.c_str()) != 0) fail("rename", errno);
    const int closed = ::close(std::exchange(file_, -1));
    sync_folder();
    TORCH_CHECK(closed == 0, "agmohd: ", path_.string(),
                " was replaced, but: ", std::strerror(errno));
  }

 private:
  /// What a name stands for, transforms followed, whether it is there or not.
  static std::filesystem::path target_of(std::filesystem::path path) {
    std::error_code error;
    for (int transforms = 0; transforms < 40 && std::filesystem::is_symlink(path, error);
         ++transforms) {
      path = path.parent_path() / std::filesystem::read_symlink(path, error);
    }
    return path;
  }
  std::filesystem::path folder() const {
    return path_.has_parent_path() ? path_.parent_path() : std::filesystem::path(".");
  }
  std::string prefix() const { return path_.filename().string() + ".partial-"; }

  [[noreturn]] void fail(const char* what, int error) const {
    TORCH_CHECK(false, "agmohd: cannot ", what, " ", temporary_, " to replace ", path_.string(),
                ": ", std::strerror(error));
  }

  /// False: another writer took the file for litter before it was locked.
  bool create() {
    std::random_device random;
    do {
      temporary_ = (folder() / (prefix() + std::to_string(random()))).string();
      file_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    } while (file_ < 0 && errno == EEXIST);
    if (file_ < 0) fail("create", errno);
    struct stat own;
    if (::flock(file_, LOCK_EX | LOCK_NB) == 0 ? ::fstat(file_, &own) == 0 && own.st_nlink > 0
                                               : errno != EWOULDBLOCK) {
      return true;  // locked, or on a file system without locks, where nothing is taken for litter
    }
    ::unlink(temporary_.c_str());
    ::close(std::exchange(file_, -1));
    return false;
  }

  /// Removes what writers left that were killed: nobody holds its lock any more.
  void remove_litter() const {
    std::error_code error;
    for (std::filesystem::directory_iterator at(folder(), error), end; !error && at != end;
         at.increment(error)) {
      if (!at->path().filename().string().starts_with(prefix())) continue;
      const int file = ::open(at->path().c_str(), O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
      if (file < 0) continue;
      if (::flock(file, LOCK_EX | LOCK_NB) == 0) ::unlink(at->path().c_str());
      ::close(file);
    }
  }

  void sync_folder() const {
    const int file = ::open(folder().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (file < 0) return;  // a folder that may not be read
    const int error = ::fsync(file) == 0 ? 0 : errno;
    ::close(file);
    TORCH_CHECK(error == 0 || error == EINVAL, "agmohd: ", path_.string(),
                " was replaced, but may not have reached the disk: ", std::strerror(error));
  }

  std::filesystem::path path_;
  std::string temporary_;
  bool exists_ = false;
  mode_t mode_ = 0;
  int file_ = -1, error_ = 0;
};

}  // namespace agmohd::checkpoint
