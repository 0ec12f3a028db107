// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <c10/util/Exception.h>
#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <string>
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
    TORCH_CHECK(exists_ || errno != ELOOP, "agmohd: cannot replace ", path_,
                ": its symbolic links form a loop");
    mode_ = old.st_mode;
    TORCH_CHECK(!exists_ || S_ISREG(old.st_mode), "agmohd: cannot replace ", path_,
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
    TORCH_CHECK(closed == 0, "agmohd: ", path_, " was replaced, but: ", std::strerror(errno));
  }

 private:
  /// What a name stands for, symbolic links followed, whether it is there or not.
  static std::string target_of(std::string path) {
    char to[4096];  // a longer one cannot be opened
    for (int links = 0; links < 40; ++links) {
      const ssize_t length = ::readlink(path.c_str(), to, sizeof to);
      if (length < 0) break;  // no link
      const std::string target(to, std::size_t(length));
      path.resize(target[0] == '/' ? 0 : path.rfind('/') + 1);
      path += target;
    }
    return path;
  }
  std::string folder() const {
    const std::size_t slash = path_.rfind('/');
    return slash == std::string::npos ? "." : slash == 0 ? "/" : path_.substr(0, slash);
  }
  std::string prefix() const { return path_.substr(path_.rfind('/') + 1) + ".partial-"; }

  [[noreturn]] void fail(const char* what, int error) const {
    TORCH_CHECK(false, "agmohd: cannot ", what, " ", temporary_, " to replace ", path_, ": ",
                std::strerror(error));
  }

  /// False: another writer took the file for litter before it was locked.
  bool create() {
    do {
      const auto now = std::chrono::steady_clock::now().time_since_epoch().count();
      temporary_ = folder() + "/" + prefix() + std::to_string(now);
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
    const std::string ours = prefix();
    DIR* const here = ::opendir(folder().c_str());
    if (here == nullptr) return;
    while (const dirent* const entry = ::readdir(here)) {
      const char* const name = entry->d_name;
      if (std::strncmp(name, ours.c_str(), ours.size()) != 0) continue;
      const char* const number = name + ours.size();
      if (*number == '\0' || number[std::strspn(number, "0123456789")] != '\0') continue;
      const int file = ::openat(::dirfd(here), name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
      if (file < 0) continue;
      if (::flock(file, LOCK_EX | LOCK_NB) == 0) ::unlinkat(::dirfd(here), name, 0);
      ::close(file);
    }
    ::closedir(here);
  }

  void sync_folder() const {
    const int file = ::open(folder().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (file < 0) return;  // a folder that may not be read
    const int error = ::fsync(file) == 0 ? 0 : errno;
    ::close(file);
    TORCH_CHECK(error == 0 || error == EINVAL, "agmohd: ", path_,
                " was replaced, but may not have reached the disk: ", std::strerror(error));
  }

  std::string path_, temporary_;
  bool exists_ = false;
  mode_t mode_ = 0;
  int file_ = -1, error_ = 0;
};

}  // namespace agmohd::checkpoint
