// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
// Files in a folder that goes with the test, and what their writers say on a full disk.

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <agmohd/monitor/watcher.hpp>
#include <csignal>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace testing_monitor {

namespace monitor = agmohd::monitor;
using agmohd::Record;
using Steps = std::vector<std::int64_t>;

inline std::vector<Record> records(const Steps& steps) {
  std::vector<Record> out(steps.size());
  for (std::size_t i = 0; i < steps.size(); ++i) out[i].step = steps[i];
  return out;
}

/// A folder that goes with the test.
struct Folder {
  std::filesystem::path path = std::filesystem::temp_directory_path() /
                               (std::string("agmohd_monitor_") +
                                ::testing::UnitTest::GetInstance()->current_test_info()->name() +
                                std::to_string(::getpid()));
  Folder() { std::filesystem::create_directories(path); }
  ~Folder() { std::filesystem::remove_all(path); }
};

inline std::string contents(const std::filesystem::path& path) {
  std::ostringstream out;
  out << std::ifstream(path, std::ios::binary).rdbuf();
  return out.str();
}

inline std::string error_of(const std::function<void()>& f) {
  try {
    f();
  } catch (const std::runtime_error& error) {
    return error.what();
  }
  return "";
}

/// Runs `f` on a disk that has room for `bytes` more of any file.
inline std::string error_on_full_disk(rlim_t bytes, const std::function<void()>& f) {
  rlimit before{};
  EXPECT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  std::signal(SIGXFSZ, SIG_IGN);
  const rlimit low{bytes, before.rlim_max};
  EXPECT_EQ(::setrlimit(RLIMIT_FSIZE, &low), 0);
  const std::string error = error_of(f);
  EXPECT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  return error;
}

}  // namespace testing_monitor
