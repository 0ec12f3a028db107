// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// The size of steps.

#include <gtest/gtest.h>

#include <agmohd/recipes.hpp>
#include <cmath>
#include <cstdint>
#include <utility>

#include "runs.hpp"

namespace {

using namespace testing_detection;

/// Judges steps of a learning rate, after an update of this RMS.
struct Steps {
  hindrance::StepTooLarge::Memory memory{};
  bool high = false;  ///< the loss
  Verdict step(double lr, double rms) {
    const Signals s{.lr = lr, .update2 = 7 * rms * rms, .updated = 7};
    Verdict v;
    if (high) v.flags |= Flag::loss_spike;
    hindrance::StepTooLarge::examine({}, s, memory, v);
    hindrance::StepTooLarge::learn({}, s, v, memory);
    return v;
  }
};

TEST(StepTooLarge, PermitsALinearWarmUp) {
  for (const int begin : {0, 1}) {
    Steps steps;
    for (int t = 0; t < 5000; ++t) {
      ASSERT_EQ(steps.step(1e-6 * (t + begin), 0.5).first_factor, 1) << t;
    }
  }
}

TEST(StepTooLarge, ARiseThatLastsIsAShortWarmUp) {
  for (const double rise : {8.0, 10.0, 30.0}) {
    Steps steps;
    for (int t = 0; t < 200; ++t) ASSERT_EQ(steps.step(1e-3, 0.3).first_factor, 1);
    int throttled = 0;
    for (int t = 0; t < 1000; ++t) {
      const Verdict v = steps.step(1e-3 * rise, 0.3);
      EXPECT_EQ(v.flags != 0, v.first_factor < 1);
      EXPECT_LE(v.first_factor * rise, t == 0 ? 2 : rise);
      throttled += v.first_factor < 1 ? 1 : 0;
    }
    EXPECT_GE(throttled, 5);
    EXPECT_LE(throttled, 5 + std::log(rise / 3) / 0.095);
    // What was accepted stays accepted, but for what time takes: a restart is hardly throttled.
    for (int t = 0; t < 300; ++t) ASSERT_EQ(steps.step(1e-3, 0.3).first_factor, 1);
    int again = 0;
    for (int t = 0; t < 100; ++t) again += steps.step(1e-3 * rise, 0.3).first_factor < 1 ? 1 : 0;
    EXPECT_LE(again, 6);
  }
}

TEST(StepTooLarge, ARiseIsNotAcceptedWhileTheLossIsHigh) {
  Steps steps;
  for (int t = 0; t < 200; ++t) ASSERT_EQ(steps.step(1e-3, 0.3).first_factor, 1);
  steps.high = true;
  for (int t = 0; t < 60; ++t) {
    const Verdict v = steps.step(3e-2, 0.3);
    EXPECT_EQ(v.flags, Flag::loss_spike | Flag::step_too_large);
    EXPECT_EQ(v.level, 1);
    EXPECT_LE(v.first_factor * 30, 2 * std::pow(1.021, t + 1));
  }
  // Accepted, and then the loss goes up: the credit is taken back.
  Steps again;
  for (int t = 0; t < 200; ++t) again.step(1e-3, 0.3);
  for (int t = 0; t < 30; ++t) again.step(1e-2, 0.3);
  EXPECT_EQ(again.step(1e-2, 0.3).first_factor, 1);
  again.high = true;
  for (int t = 0; t < 8; ++t) again.step(1e-2, 0.3);
  EXPECT_LT(again.step(1e-2, 0.3).first_factor, 1);
  EXPECT_TRUE(again.step(1e-2, 0.3).unstable);
}

TEST(StepTooLarge, AnUpdateThatGrowsCountsWhereTheRateJumps) {
  Steps steps;
  for (int t = 0; t < 200; ++t) steps.step(1e-3, 0.3);
  EXPECT_EQ(Steps(steps).step(1e-3, 30).first_factor, 1);
  EXPECT_DOUBLE_EQ(Steps(steps).step(2e-3, 3).first_factor, 0.1);
  EXPECT_EQ(Steps(steps).step(1e30, 0.3).first_factor, 1e-4);
}

TEST(StepTooLarge, ALargeStepMovesTheMeanByALittle) {
  Steps steps;
  for (int t = 0; t < 200; ++t) steps.step(1e-3, 0.3);
  steps.step(1e-3, 1e9);
  EXPECT_GT(steps.memory.update.mean, 1.015 * 0.3);
  EXPECT_LT(steps.memory.update.mean, 1.025 * 0.3);
}

TEST(StepTooLarge, LeavesStepsAloneThatAreUpTo2Point8Means) {
  Steps steps;
  for (int t = 0; t < 1000; ++t) {
    ASSERT_EQ(steps.step(1e-3, t % 20 == 19 ? 0.84 : 0.3).first_factor, 1) << t;
  }
}

TEST(StepTooLarge, SurvivesALearningRateOfZero) {
  Steps steps;
  for (int t = 0; t < 200; ++t) steps.step(1e-3, 0.3);
  for (int t = 0; t < 500; ++t) ASSERT_EQ(steps.step(0, 0.3).first_factor, 1);
  for (int t = 0; t < 200; ++t) ASSERT_EQ(steps.step(1e-3, 0.3).first_factor, 1);
}

TEST(StepTooLarge, ThrottlesTheGroupWhoseRateRisesAlone) {
  using R = Recipe<rule::SGD, hindrance::Detect<hindrance::StepTooLarge>>;
  for (const int rising : {0, 1}) {
    R::Shared o;
    R::Memory m;
    R::Group groups[2];
    R::PerTensor tensors[2];
    std::int64_t others = 0;
    const auto step = [&](double lr0, double lr1, double(&lr)[2]) {
      groups[0].lr = lr0, groups[1].lr = lr1;
      Signals s{.update2 = 7, .updated = 7, .throttled = std::exchange(others, 0)};
      const Verdict v = R::judge(o, groups[0], s, m);
      for (int t : {0, 1}) {
        lr[t] = R::decide<double>(o, groups[t], s, v, m, tensors[t], t, {}, false, &others).lr;
      }
      m.updates += 1;
      (void)R::remember(o, groups[0], s, v, m);
      return v;
    };
    double lr[2];
    for (int t = 0; t < 200; ++t) step(1e-3, 1e-2, lr);
    const Verdict v = rising == 0 ? step(5e-2, 1e-2, lr) : step(1e-3, 0.5, lr);
    EXPECT_DOUBLE_EQ(lr[rising], rising == 0 ? 2e-3 : 2e-2);
    EXPECT_EQ(lr[1 - rising], rising == 0 ? 1e-2 : 1e-3);
    EXPECT_EQ(v.flags, rising == 0 ? unsigned(Flag::step_too_large) : 0U);
    EXPECT_EQ(others, rising);
    EXPECT_EQ(tensors[rising].hindrance.throttled, 1);
    EXPECT_EQ(tensors[1 - rising].hindrance.throttled, 0);
    step(1e-3, 1e-2, lr);
    EXPECT_EQ(m.tally.count[2], 1);  // the flag, where it is another group's one step later
    EXPECT_EQ(m.tally.count[Tally::throttle], 1);
  }
}

}  // namespace
