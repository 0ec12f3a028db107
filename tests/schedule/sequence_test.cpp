// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

#include <cmath>
#include <cstdint>
#include <vector>

#include "samples.hpp"

using namespace agmohd;

using WarmThenCosine = schedule::Sequence<schedule::Warmup<>, schedule::Cosine, schedule::Step>;
using StepTimesLinear = schedule::Product<schedule::Step, schedule::Linear>;

template <>
struct contract::Sample<WarmThenCosine> {
  static std::vector<WarmThenCosine::Options> options() {
    return {{.milestones = {5, 12},
             .schedules = {{.warmup_steps = 5}, {{.total_steps = 7}, {{.step_size = 2}}}}},
            {.milestones = {3, 4}, .schedules = {{.warmup_steps = 8}, {{.total_steps = 1}, {}}}}};
  }
  static long double expected(const WarmThenCosine::Options& o, std::int64_t t) {
    const auto& [warmup, rest] = o.schedules;
    if (t < o.milestones.values[0]) {
      return std::fmin(1.0L, (long double)(t + 1) / (long double)warmup.warmup_steps);
    }
    if (t < o.milestones.values[1]) {
      return contract::Sample<schedule::Cosine>::expected(rest.head, t - o.milestones.values[0]);
    }
    const auto& step = rest.rest.head;
    return std::pow((long double)step.gamma,
                    (long double)((t - o.milestones.values[1]) / step.step_size));
  }
};

template <>
struct contract::Sample<StepTimesLinear> {
  static std::vector<StepTimesLinear::Options> options() {
    return {{.schedules = {{.step_size = 4, .gamma = 0.5}, {{.total_steps = 10}}}}};
  }
  static long double expected(const StepTimesLinear::Options& o, std::int64_t t) {
    const auto& step = o.schedules.head;
    return std::pow((long double)step.gamma, (long double)(t / step.step_size)) *
           contract::Sample<schedule::Linear>::expected(o.schedules.rest.head, t);
  }
  static std::int64_t peak(const StepTimesLinear::Options&) { return 0; }
  static std::int64_t last(const StepTimesLinear::Options&) { return 10; }
};

INSTANTIATE_TYPED_TEST_SUITE_P(WarmThenCosine, ScheduleContract, WarmThenCosine);
INSTANTIATE_TYPED_TEST_SUITE_P(StepTimesLinear, ScheduleContract, StepTimesLinear);

namespace {

TEST(Sequence, ItsMilestonesAreOneLessThanItsSchedules) {
  using Two = schedule::Sequence<schedule::Step, schedule::Constant>;
  EXPECT_EQ(contract::message<Two>({}),
            "milestones has 0 values, but it must have 1, one less than there are schedules");
  EXPECT_EQ(contract::message<WarmThenCosine>(
                {.milestones = {5, 5}, .schedules = {{}, {{.total_steps = 7}, {}}}}),
            "milestones[1] = 5, but it must be greater than the one before, 5");
}

/// Their options may share names: each is set by its policy.
TEST(Sequence, OptionsAreSetByPolicy) {
  using Two = schedule::Sequence<schedule::Linear, schedule::Cosine>;
  using Mine = Options<Recipe<rule::SGD, Two>>;
  const Mine options = Mine(0.1)
                           .set<"milestones">({5})
                           .set<schedule::Linear>({.total_steps = 5})
                           .set<schedule::Cosine>({.total_steps = 9});
  EXPECT_EQ(options.shared().schedule.schedules.head.total_steps, 5);
  EXPECT_EQ(options.shared().schedule.schedules.rest.head.total_steps, 9);
  EXPECT_TRUE(options == Mine(0.1).set<Two>(options.shared().schedule));
}

}  // namespace
