// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// Checkpoints: those of older versions, what they say when they do not fit, and how they reach the
// disk.

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <torch/torch.h>
#include <unistd.h>

#include <agmohd/agmohd.hpp>
#include <atomic>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <functional>
#include <locale>
#include <random>
#include <set>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "checkpoints/runs.hpp"
#include "warnings.hpp"

namespace {

using checkpoints::Tensors;
using Texts = std::vector<std::string>;
namespace fs = std::filesystem;

void expect_in(const std::string& text, const Texts& parts) {
  for (const std::string& part : parts) {
    EXPECT_NE(text.find(part), std::string::npos) << "no '" << part << "' in: " << text;
  }
}
void expect_error(const std::function<void()>& f, const Texts& parts) {
  try {
    f();
    ADD_FAILURE() << "no error";
  } catch (const c10::Error& error) {
    expect_in(error.what_without_backtrace(), parts);
  }
}

template <class From, class To>
void pass(const From& from, To& to) {
  std::stringstream file;
  torch::save(from, file);
  torch::load(to, file);
}

// ---- Older versions

/// agmohd's optimizer for what each of the runs had.
template <class Optimizer>
struct Twin {
  using type = Optimizer;
};
template <>
struct Twin<torch::optim::AdamW> {
  using type = agmohd::AdamW;
};

void expect_loads(const fs::path& folder) {
  checkpoints::each([&]<class Saved>(const std::string& name, const auto&) {
    SCOPED_TRACE(folder.filename().string() + ", " + name);
    using Optimizer = typename Twin<Saved>::type;
    Tensors values;
    torch::load(values, folder / (name + "_parameters.pt"));
    const Tensors params{values[0].requires_grad_(), values[1].requires_grad_()};
    Optimizer optimizer(params);
    Warnings warnings;
    agmohd::load(optimizer, folder / (name + ".pt"));
    EXPECT_EQ(optimizer.updates(), checkpoints::kSaved);
    EXPECT_EQ(optimizer.param_groups()[0].options().get_lr(), 0.01);
    if constexpr (std::is_same_v<Optimizer, agmohd::AGMOHD>) {
      EXPECT_EQ(optimizer.options().total_steps(), 100);
      EXPECT_EQ(optimizer.options().max_norm(), 2);
      EXPECT_TRUE(optimizer.options().snapshots());
      if (folder.filename() == "v0.1") {
        ASSERT_EQ(warnings.texts.size(), 1U) << testing::PrintToString(warnings.texts);
        expect_in(warnings.texts[0], {"version 0.1", "begins anew", "memory of the optimizer",
                                      "hindrance of parameters", "snapshots of parameters"});
      }
    } else if (folder.filename() == "v0.1" && !name.starts_with("torch")) {
      ASSERT_EQ(warnings.texts.size(), 1U) << testing::PrintToString(warnings.texts);
      expect_in(warnings.texts[0], {"version 0.1"});
    } else {
      EXPECT_TRUE(warnings.texts.empty()) << testing::PrintToString(warnings.texts);
    }
    checkpoints::run(optimizer, params, checkpoints::kSaved,
                     checkpoints::kSaved + checkpoints::kFurther);
    for (std::size_t i = 0; i < params.size(); ++i) {
      // AGMOHD takes other steps where its statistics begin anew, and from version to version.
      const bool same = std::is_same_v<Optimizer, agmohd::AGMOHD>
                            ? at::isfinite(params[i]).all().template item<bool>()
                            : at::allclose(params[i], values[2 + i], 1e-6, 1e-6);
      EXPECT_TRUE(same) << params[i] << values[2 + i];
    }
  });
}

TEST(Checkpoints, OfOlderVersionsLoad) {
  int versions = 0;
  for (const auto& entry : fs::directory_iterator(checkpoints::folder())) {
    if (!entry.is_directory()) continue;
    ++versions;
    expect_loads(entry.path());
  }
  EXPECT_GE(versions, 1);
}

/// Beside each optimizer's state, the parameters when it was saved and after the further steps.
TEST(Checkpoints, DISABLED_WriteThoseOfThisVersion) {
  const fs::path folder = checkpoints::folder() / ("v" + std::to_string(AGMOHD_VERSION_MAJOR) +
                                                   "." + std::to_string(AGMOHD_VERSION_MINOR));
  fs::create_directories(folder);
  checkpoints::each([&]<class Optimizer>(const std::string& name, const auto& options) {
    const Tensors params = checkpoints::parameters();
    Optimizer optimizer(params, options);
    checkpoints::run(optimizer, params, 0, checkpoints::kSaved);
    torch::save(optimizer, folder / (name + ".pt"));
    Tensors values;
    for (const at::Tensor& p : params) values.push_back(p.detach().clone());
    checkpoints::run(optimizer, params, checkpoints::kSaved,
                     checkpoints::kSaved + checkpoints::kFurther);
    for (const at::Tensor& p : params) values.push_back(p.detach().clone());
    torch::save(values, folder / (name + "_parameters.pt"));
  });
}

// ---- Memories by the names of their members

struct Inner {
  double mean = 0, weight = 1;
  constexpr void members(auto&& f) { f("mean", mean), f("weight", weight); }
};
struct Before {
  std::int64_t count = 0;
  Inner norm;
  double first = 0, second = 0;
  std::int64_t last[3] = {};
  constexpr void members(auto&& f) {
    f("count", count), f("norm", norm), f("first", first), f("second", second), f("last", last);
  }
};
/// Members were exchanged, added, taken away, and changed their type.
struct After {
  double second = 0, first = 0, added = 7;
  Inner norm;
  double count = -1;
  std::int64_t last[4] = {9, 9, 9, 9};
  constexpr void members(auto&& f) {
    f("second", second), f("first", first), f("added", added), f("norm", norm);
    f("count", count), f("last", last);
  }
};
/// The same names with another meaning.
struct Second : Before {
  static constexpr int version = 2;
};
struct Bytes {
  double first = 0, second = 0;
};
struct OtherBytes {
  double first = 5, second = 5, third = 5;
};

constexpr auto each = [](auto& m, const auto& leaf) {
  agmohd::checkpoint::each_member("m", m, leaf);
};
template <class From, class To>
agmohd::checkpoint::Report carry(const From& from, To& to) {
  agmohd::checkpoint::Report report;
  agmohd::checkpoint::from_value(agmohd::checkpoint::to_value(from, each), "test", to, each,
                                 report);
  return report;
}

TEST(Memories, MembersAreFoundByName) {
  const Before before{3, {0.5, 0.25}, 1, 2, {4, 5, 6}};
  After after;
  const auto report = carry(before, after);
  EXPECT_EQ(after.first, 1);
  EXPECT_EQ(after.second, 2);
  EXPECT_EQ(after.added, 7);
  EXPECT_EQ(after.norm.mean, 0.5);
  EXPECT_EQ(after.norm.weight, 0.25);
  EXPECT_EQ(after.count, -1) << "an integer is no floating-point number";
  EXPECT_EQ(after.last[2], 6);
  EXPECT_EQ(after.last[3], 9);
  EXPECT_EQ(report.unknown_members, std::set<std::string>{"test m.count"});
  Before back;
  EXPECT_EQ(carry(after, back).unknown_members,
            (std::set<std::string>{"test m.added", "test m.count", "test m.last[3]"}));
}

TEST(Memories, OfAnotherVersionBeginAnew) {
  const Before before{3, {0.5, 0.25}, 1, 2, {4, 5, 6}};
  Second second;
  EXPECT_EQ(carry(before, second).unknown_members.size(), 8U);
  EXPECT_EQ(second.first, 0);
}

TEST(Memories, WithoutAListAreBytesOfOneSize) {
  Bytes bytes;
  EXPECT_TRUE(carry(Bytes{1, 2}, bytes).unknown_members.empty());
  EXPECT_EQ(bytes.second, 2);
  OtherBytes other;
  EXPECT_EQ(carry(Bytes{1, 2}, other).unknown_members, std::set<std::string>{"test m"});
  EXPECT_EQ(other.first, 5);
}

TEST(Memories, EachPolicyOfALibraryRecipeHasAList) {
  agmohd::recipe::AGMOHD::Memory memory;
  const auto no_bytes = []<class T>(const std::string& name, T&) {
    EXPECT_TRUE(agmohd::checkpoint::Word<T>::number) << name;
  };
  agmohd::checkpoint::Memories<agmohd::recipe::AGMOHD>::optimizer(memory, no_bytes);
  agmohd::recipe::AGMOHD::TensorHindrance watch;
  agmohd::checkpoint::Memories<agmohd::recipe::AGMOHD>::hindrance(watch, no_bytes);
  agmohd::recipe::AGMOHD::Snapshots snapshots;
  agmohd::checkpoint::Memories<agmohd::recipe::AGMOHD>::snapshots(snapshots, no_bytes);
}

// ---- Options by name

TEST(SavedOptions, UnknownOnesAreNamed) {
  using namespace agmohd;
  using Wide = Recipe<rule::Adam, gradient::ClipByNorm, schedule::Warmup<schedule::Cosine>>;
  using Narrow = Recipe<rule::Adam, gradient::ClipByNorm, schedule::Cosine>;
  torch::serialize::OutputArchive out;
  Options<Wide>(0.1).warmup_steps(5).total_steps(50).max_norm(3).serialize_shared(out);
  std::stringstream file;
  out.save_to(file);
  torch::serialize::InputArchive in;
  in.load_from(file);
  Options<Narrow> narrow(0.1);
  narrow.total_steps(60);
  checkpoint::Report report;
  narrow.read_shared(in, report);
  EXPECT_EQ(narrow.total_steps(), 50);
  EXPECT_EQ(narrow.max_norm(), 3);
  EXPECT_TRUE(report.unknown_options.contains("warmup_steps"));
  for (const std::string& name : report.unknown_options) EXPECT_TRUE(name.starts_with("warmup_"));
  EXPECT_EQ(report.overridden, std::vector<std::string>{"total_steps is 50, not 60"});
}

// ---- From one recipe to another

Tensors copies(const Tensors& params) {
  Tensors out;
  for (const at::Tensor& p : params) out.push_back(p.detach().clone().requires_grad_());
  return out;
}

TEST(Recipes, OfOneRuleReadEachOthersCheckpoints) {
  const Tensors whole = checkpoints::parameters();
  agmohd::AdamW adamw(whole, agmohd::AdamWOptions(0.01));
  checkpoints::run(adamw, whole, 0, 10);
  const Tensors params = copies(whole);
  agmohd::AGMOHD agmohd(params, agmohd::AGMOHDOptions(0.01).max_norm(1e6));
  {
    Warnings warnings;
    pass(adamw, agmohd);
    ASSERT_EQ(warnings.texts.size(), 1U);
    expect_in(warnings.texts[0], {"recipe AdamW/None", "AdamW/Detect", "begin anew"});
  }
  EXPECT_EQ(agmohd.updates(), 10);
  EXPECT_EQ(agmohd.tally().steps, 0);
  checkpoints::run(agmohd, params, 10, 15);
  agmohd::AdamW back(params, agmohd::AdamWOptions(0.01));
  {
    Warnings warnings;
    pass(agmohd, back);
    EXPECT_EQ(warnings.texts.size(), 1U);
  }
  EXPECT_EQ(back.updates(), 15);
  checkpoints::run(back, params, 15, 20);
  checkpoints::run(adamw, whole, 10, 20);
  for (std::size_t i = 0; i < params.size(); ++i) EXPECT_TRUE(at::equal(params[i], whole[i]));

  agmohd::SGD sgd(params, agmohd::SGDOptions(0.1));
  expect_error([&] { pass(adamw, sgd); }, {"AdamW/None", "SGD/None", "rules differ"});
}

TEST(Recipes, UpdatesCanBeSet) {
  const Tensors params = checkpoints::parameters();
  agmohd::AGMOHD optimizer(
      params,
      agmohd::AGMOHDOptions(1.0).lr_schedule(agmohd::schedule::Shape::cosine).total_steps(10));
  optimizer.updates(8);
  EXPECT_EQ(optimizer.updates(), 8);
  checkpoints::run(optimizer, params, 0, 1);
  EXPECT_EQ(optimizer.updates(), 9);
  EXPECT_LT(optimizer.records().back().lr, 0.2) << "the schedule follows";
  expect_error([&] { optimizer.updates(-1); }, {"updates = -1", "at least 0"});
}

// ---- What a load changes is said

TEST(Overridden, OptionsOfTheProgramAreNamed) {
  const Tensors params = checkpoints::parameters();
  agmohd::AGMOHD saved(params, agmohd::AGMOHDOptions(0.01).total_steps(100));
  checkpoints::run(saved, params, 0, 3);
  const auto warnings_of = [&](const agmohd::AGMOHDOptions& options, int loads) {
    agmohd::AGMOHD loaded(params, options);
    Warnings warnings;
    for (int i = 0; i < loads; ++i) pass(saved, loaded);
    EXPECT_EQ(loaded.options().total_steps(), 100);
    return warnings.texts;
  };
  EXPECT_TRUE(warnings_of(agmohd::AGMOHDOptions(0.01).total_steps(100), 1).empty());
  EXPECT_TRUE(warnings_of({}, 1).empty()) << "the program had set nothing";
  const Texts texts =
      warnings_of(agmohd::AGMOHDOptions(0.02).total_steps(1000).betas({0.5, 0.6}), 2);
  ASSERT_EQ(texts.size(), 1U) << "once";
  expect_in(texts[0], {"total_steps is 100, not 1000", "lr of group 0 is 0.01, not 0.02",
                       "betas of group 0 is (0.9, 0.999), not (0.5, 0.6)", "after the load"});
}

// ---- How files reach the disk

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
  expect(path_, {path_, "Python's torch.save", "agmohd::load_python"});
  std::ofstream(path_, std::ios::binary) << "\x80\x02}q";
  expect(path_, {path_, "Python's torch.save"});
}

// ---- Texts in a country with decimal commas

struct Comma : std::numpunct<char> {
  char do_decimal_point() const override { return ','; }
  char do_thousands_sep() const override { return '.'; }
  std::string do_grouping() const override { return "\3"; }
};
class Locale {
 public:
  Locale() : before_(std::locale::global(std::locale(std::locale::classic(), new Comma))) {}
  ~Locale() { std::locale::global(before_); }

 private:
  std::locale before_;
};

TEST(Locales, DoNotChangeTexts) {
  const Locale comma;
  agmohd::Record record;
  record.step = 12'345;
  record.updates = 12'344;
  record.loss = 0.5;
  record.lr = 1.25;
  std::ostringstream csv, mine;
  agmohd::monitor::write_csv(csv, {record}, /*header=*/false);
  EXPECT_EQ(csv.str().substr(0, 22), "12345,12344,0.5,1.25,0");
  csv << 1.5;
  expect_in(csv.str(), {"1,5"});  // the program's stream has its locale again
  expect_in(agmohd::monitor::describe(record), {"step 12345", "loss 0.5", "learning rate 1.25"});
  agmohd::Tally tally;
  tally.steps = tally.count[0] = 12'345;
  expect_in(agmohd::monitor::summary(tally), {"12345 steps", " 12345  last"});

  const Tensors params = checkpoints::parameters();
  expect_error([&] { agmohd::AdamW(params, agmohd::AdamWOptions(-1234.5)); }, {"lr = -1234.5"});
  expect_error(
      [&] {
        agmohd::AdamW(params, agmohd::AdamWOptions(0.1).betas({1.5, 0.9}));
      },
      {"betas[0] = 1.5", "in [0, 1)"});
  agmohd::AdamW optimizer(params);
  expect_error([&] { optimizer.updates(-12'345); }, {"updates = -12345"});
  params[0].mutable_grad() = at::ones({12'345});
  expect_error([&] { optimizer.step(); }, {"[12345]"});
}

}  // namespace
