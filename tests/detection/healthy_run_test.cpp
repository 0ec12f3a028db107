// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// A healthy run is left alone.

#include <gtest/gtest.h>

#include <agmohd/recipes.hpp>
#include <cmath>

#include "runs.hpp"

namespace {

using namespace testing_detection;

TEST(HealthyRun, IsLeftAloneToTheBit) {
  int clipped = 0;
  for (unsigned seed = 1; seed <= 10; ++seed) {
    Healthy healthy(seed);
    Driven<recipe::AGMOHD> run;
    Driven<Recipe<rule::AdamW, gradient::ClipByNorm>> base;
    for (int t = 0; t < 10000; ++t) {
      const Signals s = healthy.next();
      const TensorSignals ts{.norm2 = 0.5 * s.norm2, .max_abs = 0.1, .nonfinite = 0, .numel = 100};
      const Verdict v = run.step(s, ts);
      base.step(s);
      ASSERT_FALSE(v.skip || v.rollback) << seed << " " << t;
      ASSERT_EQ(v.lr_factor, 1);
      clipped += clips(v, s) ? 1 : 0;
      ASSERT_EQ(v.flags & ~unsigned(Flag::explosion | Flag::plateau), 0U) << seed << " " << t;
      if (v.hindered || run.memory.momentum.calm != 1) continue;
      ASSERT_EQ(v.norm_bound, kInf);
      ASSERT_EQ(run.k.gradient.factor, base.k.gradient.factor);
      ASSERT_EQ(run.k.gradient.max_value, kInf);
      ASSERT_EQ(run.k.lr, base.k.lr);
      ASSERT_EQ(run.k.rule.moments.gain1, base.k.rule.moments.gain1);
      ASSERT_EQ(run.k.rule.moments.mix_gradient, 0);
    }
  }
  EXPECT_LT(clipped, 10 * 5);
}

TEST(HealthyRun, MomentumIsUntouched) {
  for (unsigned seed = 1; seed <= 10; ++seed) {
    Healthy healthy(seed);
    Driven<recipe::AGMOHD> run;
    for (int t = 0; t < 10000; ++t) {
      run.step(healthy.next(t % 200 == 199 ? 2.6 : 1));  // with isolated events
      ASSERT_EQ(run.memory.momentum.calm, 1) << seed << " " << t;
    }
  }
}

TEST(HealthyRun, SmallNoiseHasNoExplosions) {
  for (const double sigma : {0.02, 0.05, 0.1, 0.15}) {
    Healthy healthy(11, sigma);
    Driven<recipe::AGMOHD> run;
    for (int t = 0; t < 10000; ++t) {
      ASSERT_EQ(run.step(healthy.next(t % 100 == 99 ? 1.4 : 1)).flags & ~Flag::plateau, 0U) << t;
    }
  }
}

TEST(HealthyRun, NeedsNoLoss) {
  Healthy healthy(3);
  Driven<recipe::AGMOHD> run;
  for (int t = 0; t < 2000; ++t) {
    Signals s = healthy.next();
    s.loss = kNaN;
    s.has_loss = false;
    ASSERT_FALSE(run.step(s).skip);
  }
  Signals s = healthy.next(1000);
  s.has_loss = false;
  const Verdict v = run.step(s);
  EXPECT_FALSE(v.skip);
  EXPECT_LT(v.norm_bound, 0.01 * std::sqrt(s.norm2));
}

}  // namespace
