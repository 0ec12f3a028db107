// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// Memories by the names of their members, options by theirs.

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <agmohd/agmohd.hpp>
#include <cstdint>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "errors.hpp"

namespace {

using namespace testing_checkpoints;

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

}  // namespace
