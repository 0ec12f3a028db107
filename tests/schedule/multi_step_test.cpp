// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

#include <cmath>
#include <cstdint>
#include <vector>

#include "../contract/schedule.hpp"

using namespace agmohd;

template <>
struct contract::Sample<schedule::MultiStep> {
  static std::vector<schedule::MultiStep::Options> options() {
    return {{}, {.milestones = {3, 10}, .gamma = 0.5}, {.milestones = {9, 0, 9}}};
  }
  static long double expected(const schedule::MultiStep::Options& o, std::int64_t t) {
    long double factor = 1;
    for (std::int64_t i = 0; i < o.milestones.size; ++i) {
      if (o.milestones.values[i] <= t) factor *= o.gamma;
    }
    return factor;
  }
  static std::int64_t peak(const schedule::MultiStep::Options&) { return 0; }
  static std::int64_t last(const schedule::MultiStep::Options& o) {
    return o.milestones.size == 0 ? 0 : 10;
  }
};

INSTANTIATE_TYPED_TEST_SUITE_P(MultiStep, ScheduleContract, schedule::MultiStep);

namespace {

TEST(MultiStep, MilestonesAreAnOptionLikeOthers) {
  using Mine = Options<Recipe<rule::SGD, schedule::MultiStep>>;
  const Mine whole = Mine(0.1).set<schedule::MultiStep>({.milestones = {30, 60}});
  EXPECT_TRUE(whole == Mine(0.1).set<"milestones">({30, 60}));
  EXPECT_FALSE(whole == Mine(0.1).set<"milestones">({30, 61}));
  EXPECT_FALSE(whole == Mine(0.1).set<"milestones">({30, 60, 90}));
  EXPECT_EQ(whole.shared().schedule.milestones.size, 2);
}

}  // namespace
