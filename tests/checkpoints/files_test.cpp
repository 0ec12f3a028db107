// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// How files reach the disk.

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <torch/torch.h>
#include <unistd.h>

#include <agmohd/agmohd.hpp>
#include <atomic>
#include <csignal>
#include <exception>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "errors.hpp"
#include "runs.hpp"

namespace {

using namespace testing_checkpoints;

class Files : public testing::Test {
 protected:
  void SetUp() override { fs::create_directories(folder_); }
  void TearDown() override { fs::remove_all(folder_); }
  std::size_t files() const {
    return std::size_t(std::distance(fs::directory_iterator(folder_), fs::directory_iterator()));
  }
  /// Throws unless the file is one that a single writer wrote.
  static void expect_whole(const std::string& path) {
    Tensors tensors;
    agmohd::load(tensors, path);
    ASSERT_EQ(tensors.size(), 3U);
    for (const at::Tensor& x : tensors) {
      ASSERT_TRUE(at::equal(x, at::full_like(x, tensors[0][0].item<double>())));
    }
  }
  static Tensors numbered(int number) { return Tensors(3, at::full({20'000}, number)); }
  std::string content() const {
    std::ifstream file(path_, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  /// A text with another of the same length for each `from`.
  static std::string replaced(std::string text, const std::string& from, const std::string& to) {
    std::size_t at = text.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    for (; at != std::string::npos; at = text.find(from, at)) text.replace(at, to.size(), to);
    return text;
  }
  /// In a process of its own.
  static pid_t spawn(const std::function<void()>& f) {
    const pid_t child = ::fork();
    if (child == 0) {
      try {
        f();
      } catch (...) {
        ::_exit(1);
      }
      ::_exit(0);
    }
    return child;
  }

  const fs::path folder_ =
      fs::temp_directory_path() / ("agmohd-checkpoint-" + std::to_string(::getpid()));
  const std::string path_ = (folder_ / "state.pt").string();
};

TEST_F(Files, TensorsAndVectorsOfThem) {
  agmohd::save(at::ones({3}), path_);
  at::Tensor one;
  agmohd::load(one, path_);
  EXPECT_TRUE(at::equal(one, at::ones({3})));
  agmohd::save(numbered(4), path_);
  expect_whole(path_);
  Tensors tensors;
  torch::load(tensors, path_);
  EXPECT_EQ(tensors.size(), 3U);
  torch::nn::Linear module(2, 2), other(2, 2);
  agmohd::save(module, path_);
  agmohd::load(other, path_);
  EXPECT_TRUE(at::equal(module->weight, other->weight));
}

TEST_F(Files, ManyThreadsSaveToOnePath) {
  std::atomic<int> errors = 0;
  std::vector<std::thread> threads;
  for (int number = 0; number < 4; ++number) {
    threads.emplace_back([&, number] {
      for (int i = 0; i < 10; ++i) {
        try {
          agmohd::save(numbered(number), path_);
          expect_whole(path_);
        } catch (const std::exception&) {
          ++errors;
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(errors, 0);
  EXPECT_EQ(files(), 1U);
}

TEST_F(Files, ManyProcessesSaveToOnePath) {
  std::vector<pid_t> children;
  for (int number = 0; number < 4; ++number) {
    children.push_back(spawn([&] {
      for (int i = 0; i < 10; ++i) agmohd::save(numbered(number), path_);
    }));
  }
  for (const pid_t child : children) {
    int status = 0;
    ::waitpid(child, &status, 0);
    EXPECT_EQ(status, 0);
  }
  expect_whole(path_);
  EXPECT_EQ(files(), 1U);
}

TEST_F(Files, KilledWritersLeaveAWholeFile) {
  std::mt19937 random(1);
  agmohd::save(numbered(0), path_);
  for (int kill = 0; kill < 25; ++kill) {
    const pid_t child = spawn([&] {
      for (int i = 0;; ++i) agmohd::save(numbered(i), path_);
    });
    ::usleep(useconds_t(2'000 + random() % 40'000));
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    expect_whole(path_);
  }
  agmohd::save(numbered(1), path_);
  EXPECT_EQ(files(), 1U) << "what dead writers left is gone";
}

TEST_F(Files, WhatALiveWriterHasIsNoLitter) {
  agmohd::checkpoint::ReplacedFile slow(path_);
  slow.write("old", 3);
  agmohd::save(numbered(1), path_);
  EXPECT_EQ(files(), 2U);
  slow.commit();
  std::string text;
  std::ifstream(path_) >> text;
  EXPECT_EQ(text, "old");
  EXPECT_EQ(files(), 1U);
}

TEST_F(Files, PermissionsAndLinksStay) {
  const auto mode = [&](const fs::path& path) {
    struct stat is;
    EXPECT_EQ(::stat(path.c_str(), &is), 0);
    return is.st_mode & 07777U;
  };
  const mode_t mask = ::umask(027);
  agmohd::save(numbered(1), path_);
  ::umask(mask);
  EXPECT_EQ(mode(path_), 0640U);
  ::chmod(path_.c_str(), 0604);
  agmohd::save(numbered(2), path_);
  EXPECT_EQ(mode(path_), 0604U);

  fs::create_directory(folder_ / "deep");
  const fs::path link = folder_ / "link.pt", target = folder_ / "deep" / "target.pt";
  fs::create_symlink("deep/target.pt", link);
  for (int number = 3; number < 5; ++number) {  // a link to nothing, then to a file
    agmohd::save(numbered(number), link.string());
    EXPECT_TRUE(fs::is_symlink(link));
    EXPECT_TRUE(fs::is_regular_file(target));
    expect_whole(target);
  }
}

TEST_F(Files, WhatCannotBeReadIsSaid) {
  const Tensors params = checkpoints::parameters();
  agmohd::AdamW optimizer(params);
  const auto expect = [&](const fs::path& path, const Texts& texts) {
    expect_error([&] { agmohd::load(optimizer, path.string()); }, texts);
  };
  expect(folder_ / "none.pt", {"none.pt", "no such file"});
  expect(folder_, {"it is a folder"});
  std::ofstream(path_) << "not an archive";
  expect(path_, {path_, "no file of agmohd::save"});
  c10::Dict<std::string, at::Tensor> dictionary;
  dictionary.insert("weight", at::ones({2}));
  const std::vector<char> pickle = torch::pickle_save(dictionary);
  std::ofstream(path_, std::ios::binary).write(pickle.data(), std::streamsize(pickle.size()));
  const std::string python = "agmohd: cannot read " + path_ +
                             ": Python's torch.save wrote it; agmohd::load_python() of "
                             "<agmohd/python.hpp> reads it";
  expect(path_, {python});
  std::ofstream(path_, std::ios::binary) << "\x80\x02}q";
  expect(path_, {python});
}

/// Whatever is damaged in a file of ours, it is not said to be Python's.
TEST_F(Files, DamagedOnesOfOursAreNotTakenForPythons) {
  agmohd::AdamW optimizer(checkpoints::parameters());
  agmohd::save(optimizer, path_);
  const std::string whole = content();
  const std::string damaged =
      "agmohd: cannot read " + path_ + ": it is damaged, or no file of agmohd::save or torch::save";
  const auto expect = [&](const std::string& bytes, const std::string& why) {
    std::ofstream(path_, std::ios::binary) << bytes;
    expect_error([&] { agmohd::load(optimizer, path_); }, {damaged + why});
  };
  expect(replaced(whole, "constants.pkl", "constXnts.pkl"),
         ": PytorchStreamReader failed locating file constants.pkl");
  expect(replaced(whole, "code/__torch__", "coXe/__torch__"), ": ");
  expect("\x80" + whole.substr(1), ": PytorchStreamReader failed");
  expect(whole.substr(0, whole.size() / 2), ": PytorchStreamReader failed");
}

/// LibTorch's errors of damaged code begin with a line break.
TEST_F(Files, OfADamagedOneTheReasonIsSaid) {
  agmohd::AdamW optimizer(checkpoints::parameters());
  agmohd::save(optimizer, path_);
  const std::string whole = content();
  std::ofstream(path_, std::ios::binary) << replaced(whole, "class Module", "clXss Module");
  expect_error([&] { agmohd::load(optimizer, path_); },
               {"agmohd: cannot read " + path_ +
                ": it is damaged, or no file of agmohd::save or torch::save: Unexpected token in "
                "code import: ident"});
  EXPECT_EQ(agmohd::checkpoint::first_line("\n \nUnknown type name 'X':\n  here"),
            "Unknown type name 'X'");
  EXPECT_EQ(agmohd::checkpoint::first_line("one"), "one");
  EXPECT_EQ(agmohd::checkpoint::first_line("\n"), "LibTorch does not say why");
}

TEST_F(Files, WhatDoesNotFitNamesTheFile) {
  agmohd::AdamW optimizer(checkpoints::parameters());
  const auto expect = [&](const std::string& why) {
    expect_error([&] { agmohd::load(optimizer, path_); },
                 {"agmohd: cannot load " + path_ + ": " + why});
  };
  agmohd::save(optimizer, path_);
  const std::string whole = content();
  std::ofstream(path_, std::ios::binary) << replaced(whole, "AdamW", "AdXmW");
  expect("the checkpoint is damaged: its contents do not match its digest");
  agmohd::save(agmohd::SGD(checkpoints::parameters()), path_);
  expect(
      "the checkpoint is of recipe SGD/None/Fixed/None/Constant, but this optimizer's is AdamW/");
  agmohd::save(agmohd::AdamW(Tensors{at::ones({2}).requires_grad_()}), path_);
  expect("group 0 of the checkpoint has 1 parameters, but that of this optimizer has 2");
  agmohd::save(at::ones({3}), path_);
  expect("the archive does not hold the state of an optimizer");
}

}  // namespace
