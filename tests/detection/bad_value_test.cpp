// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// One bad value leaves no trace.

#include <gtest/gtest.h>

#include <agmohd/recipes.hpp>

#include "runs.hpp"

namespace {

using namespace testing_detection;

/// The memory but for what counts explosions and skips.
template <class M>
M without_budgets(M m) {
  m.hindrance.head.skips = {};
  m.hindrance.rest.head.refused = {};
  m.hindrance.rest.rest.head.budget = {};
  m.hindrance.rest.rest.head.allowance = {};
  m.hindrance.rest.rest.head.reach = 1;
  return m;
}

TEST(BadValue, LeavesTheMemoryAsTheRunWithoutThatStep) {
  for (const int at : {0, 1, 10, 19, 20, 49, 50, 51, 100, 500, 1500}) {
    for (int kind = 0; kind < 8; ++kind) {
      Healthy healthy(7);
      Driven<recipe::AGMOHD> with, without;
      for (int t = 0; t < at + 10; ++t) {
        const Signals s = healthy.next();
        if (t == at) {
          Signals bad = s;
          if (kind == 0) bad.norm2 = kNaN;
          if (kind == 1) bad.norm2 = kInf;
          if (kind == 2) bad.nonfinite = 1;
          if (kind == 3) bad.loss = kNaN;
          if (kind == 4) bad.loss = kInf;
          if (kind == 5) bad.loss = -kInf;
          if (kind == 6) bad.norm2 = 1e76;
          if (kind == 7) bad.norm2 = 1e300;
          if (kind > 5) bad.loss = 1e30, with.memory.hindrance.rest.rest.head.burst = 1;
          if (kind > 5 && at <= 100) break;  // finite: only where the statistics act already
          ASSERT_TRUE(with.step(bad).skip) << kind << " at " << at;
        }
        with.step(s);
        without.step(s);
        if (t >= at) {
          ASSERT_TRUE(same_bytes(without_budgets(with.memory), without_budgets(without.memory)))
              << kind << " at " << at;
        }
        if (t == at + 9 && kind < 6) {
          ASSERT_TRUE(same_bytes(with.memory, without.memory));
        }
      }
    }
  }
}

TEST(BadValue, OfTheSweepReachesNoStatistic) {
  using hindrance::Oscillation, hindrance::StepTooLarge;
  for (const double bad : {kNaN, kInf, -kInf}) {
    Healthy healthy(8);
    StepTooLarge::Memory step;
    Oscillation::Memory oscillation;
    for (int t = 0; t < 150; ++t) {
      Signals s = healthy.next();
      StepTooLarge::judge({}, s, step);
      Oscillation::judge({}, s, oscillation);
      const auto step_before = step;
      auto oscillation_before = oscillation;
      s.update2 = s.along = s.along_previous = bad;
      s.has_loss = false;
      EXPECT_EQ(StepTooLarge::judge({}, s, step).flags, 0U);
      Oscillation::judge({}, s, oscillation);
      ASSERT_TRUE(same_bytes(step.update, step_before.update));
      ASSERT_TRUE(same_bytes(oscillation, oscillation_before));
    }
  }
}

TEST(BadValue, FiniteOnesMoveTheStatisticsByALittle) {
  Healthy healthy(9);
  hindrance::LossSpike::Memory loss;
  hindrance::Explosion::Memory norm;
  for (int t = 0; t < 400; ++t) {
    const Signals s = healthy.next();
    hindrance::LossSpike::judge({}, s, loss);
    hindrance::Explosion::judge({}, s, norm);
  }
  for (const double bad : {1e38, -1e38}) {
    auto m = loss;
    hindrance::LossSpike::judge({}, {.loss = bad, .has_loss = true}, m);
    EXPECT_NEAR(m.loss.mean, loss.loss.mean, 0.25 * loss.loss.sigma(0.1));
    EXPECT_LT(m.loss.sigma(0), 3 * loss.loss.sigma(0.1));
  }
  auto m = norm;
  EXPECT_FALSE(hindrance::Explosion::judge({}, {.norm2 = 0}, m).skip);
  EXPECT_TRUE(same_bytes(m.norm, norm.norm));
  hindrance::Explosion::judge({}, {.norm2 = 1e-300}, m);
  EXPECT_NEAR(m.norm.mean, norm.norm.mean, 0.25 * norm.norm.sigma(0));
  EXPECT_LT(m.norm.sigma(0), 2 * norm.norm.sigma(0));
}

}  // namespace
