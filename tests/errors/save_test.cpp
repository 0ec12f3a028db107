// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// Files that agmohd::save cannot write.

#include <gtest/gtest.h>
#include <sys/fsuid.h>
#include <sys/resource.h>
#include <torch/torch.h>

#include <agmohd/agmohd.hpp>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "harmless.hpp"

namespace {

using namespace testing_errors;

namespace fs = std::filesystem;

class SaveErrors : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("agmohd-errors-" + std::to_string(::getpid()));
    fs::remove_all(folder_);
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  static std::string read(const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  std::size_t files() const {
    return std::size_t(std::distance(fs::directory_iterator(folder_), fs::directory_iterator()));
  }
  fs::path folder_;
  Fixture trained_;
};

TEST_F(SaveErrors, ReplacesTheFileAndLeavesNothingElse) {
  const fs::path path = folder_ / "checkpoint.pt";
  agmohd::save(trained_.optimizer, path.string());
  const std::string first = read(path);
  trained_.optimizer.step();
  agmohd::save(trained_.optimizer, path.string());
  EXPECT_NE(read(path), first);
  EXPECT_EQ(files(), 1U);
  Fixture fresh(0);
  torch::load(fresh.optimizer, path.string());
  EXPECT_EQ(fresh.optimizer.updates(), 4);
}

TEST_F(SaveErrors, FolderThatDoesNotExist) {
  const std::string path = (folder_ / "none" / "checkpoint.pt").string();
  expect_harmless(trained_, [&] { agmohd::save(trained_.optimizer, path); }, {path});
  EXPECT_EQ(files(), 0U);
}

TEST_F(SaveErrors, FolderThatCannotBeWritten) {
  const fs::path path = folder_ / "checkpoint.pt";
  agmohd::save(trained_.optimizer, path.string());
  const std::string before = read(path);
  fs::permissions(folder_, fs::perms(0555));
  const int user = ::setfsuid(65534);  // the superuser may write there all the same
  expect_harmless(trained_, [&] { agmohd::save(trained_.optimizer, path.string()); },
                  {path.string(), "cannot create"});
  ::setfsuid(uid_t(user));
  fs::permissions(folder_, fs::perms::owner_all);
  EXPECT_EQ(read(path), before);
}

TEST_F(SaveErrors, TargetThatCannotBeReplaced) {
  const fs::path path = folder_ / "checkpoint.pt";
  fs::create_directories(path / "inside");
  expect_harmless(trained_, [&] { agmohd::save(trained_.optimizer, path.string()); },
                  {path.string(), "not a regular file"});
  EXPECT_TRUE(fs::is_directory(path / "inside"));
  EXPECT_EQ(files(), 1U);
}

TEST_F(SaveErrors, FullDisk) {
  const fs::path path = folder_ / "checkpoint.pt";
  agmohd::save(trained_.optimizer, path.string());
  const std::string before = read(path);
  struct rlimit limit;
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &limit), 0);
  const struct rlimit small { 4096, limit.rlim_max };
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);  // then a write fails
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  expect_harmless(trained_, [&] { agmohd::save(trained_.optimizer, path.string()); },
                  {path.string(), "cannot write"});
  ::setrlimit(RLIMIT_FSIZE, &limit);
  std::signal(SIGXFSZ, handler);
  EXPECT_EQ(read(path), before);
  EXPECT_EQ(files(), 1U);
}

}  // namespace
