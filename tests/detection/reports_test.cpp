// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// Detectors that report: oscillation, vanishing gradients, a plateau.

#include <gtest/gtest.h>

#include <agmohd/recipes.hpp>
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <random>

#include "runs.hpp"

namespace {

using namespace testing_detection;

TEST(Oscillation, NeedsTheProductsAndALossThatDoesNotFall) {
  const auto flagged = [](double ratio, double slope, bool has_loss) {
    hindrance::Oscillation::Memory m;
    int reported = 0;
    for (int t = 0; t < 4000; ++t) {
      const Verdict v = hindrance::Oscillation::judge({},
                                                      {.loss = 5 - slope * t,
                                                       .has_loss = has_loss,
                                                       .along_previous = ratio * 1e-3,
                                                       .along = 1e-3},
                                                      m);
      if (t < 50) {
        EXPECT_EQ(v.flags, 0U);
      }
      EXPECT_EQ(v.level, 0);  // nothing acts on it
      reported += v.flags == Flag::oscillation ? 1 : 0;
    }
    return reported > 10;
  };
  EXPECT_TRUE(flagged(-0.5, 0, true));
  EXPECT_TRUE(flagged(-0.5, -1e-3, true));
  EXPECT_TRUE(flagged(-0.5, 0, false));
  EXPECT_FALSE(flagged(-0.5, 1e-3, true));
  EXPECT_FALSE(flagged(-0.2, 0, true));
  EXPECT_FALSE(flagged(0.5, 0, true));
}

TEST(Vanishing, ReportsTheTensor) {
  hindrance::Vanishing::Memory m;
  hindrance::Vanishing::TensorMemory t;
  const auto flags = [&](double rms, std::int64_t numel) {
    return hindrance::Vanishing::judge_tensor(
               {}, {.norm2 = rms * rms * double(numel), .numel = numel}, {}, m, t)
        .flags;
  };
  EXPECT_EQ(flags(0.9e-7, 1000), Flag::vanishing);
  EXPECT_EQ(flags(1.1e-7, 1000), 0U);
  EXPECT_EQ(flags(0, 1), Flag::vanishing);
  EXPECT_EQ(flags(0, 0), 0U);  // not measured
  EXPECT_EQ(flags(kNaN, 10), 0U);
}

TEST(Plateau, ReportsAMeanLossThatStays) {
  for (const double slope : {0.0, 1e-3}) {
    Healthy healthy(31);
    std::mt19937_64 random(31);
    std::normal_distribution<double> normal;
    hindrance::Plateau::Memory m;
    for (int t = 0; t < 5000; ++t) {
      Signals s = healthy.next();
      s.loss = 9 - slope * t + 0.1 * normal(random);
      const Verdict v = hindrance::Plateau::judge({}, s, m);
      EXPECT_EQ(v.level, 0);
      if (t <= 1999) {
        ASSERT_EQ(v.flags, 0U);
      }
      if (t > 2000) {
        ASSERT_EQ(v.flags, slope == 0 ? unsigned(Flag::plateau) : 0U) << t;
      }
    }
  }
}

TEST(Plateau, BeginsAnewWithALevelThatWasAccepted) {
  hindrance::Plateau::Memory m;
  for (int t = 0; t < 6000; ++t) {  // it falls all the time, but for a jump of its scale
    Signals s{.loss = (t < 2500 ? 1 : 5) * (9 - 1e-3 * t), .has_loss = true};
    Verdict v;
    hindrance::Plateau::examine({}, s, m, v);
    ASSERT_EQ(v.flags, 0U) << t;
    if (t == 2503) v.flags = Flag::loss_spike | Flag::accepted;
    hindrance::Plateau::learn({}, s, v, m);
  }
}

TEST(Plateau, LowersTheLearningRateByOption) {
  using Policy = hindrance::Detect<hindrance::Plateau, hindrance::StepTooLarge>;
  for (const double factor : {1.0, 0.5, 1e-6}) {
    static Policy::Options o;
    o.detectors.head.plateau_factor = factor;
    o.detectors.head.plateau_floor = 0.05;
    Policy::Memory m;
    Signals s{.loss = 3, .has_loss = true, .lr = 1};
    double last = 1;
    for (int t = 0; t < 10000; ++t) {
      const Verdict v = Policy::judge(o, s, m);
      EXPECT_EQ(v.flags & ~Flag::plateau, 0U) << t;
      EXPECT_LE(v.lr_factor, last);
      EXPECT_FALSE(v.hindered);
      last = v.lr_factor;
      const double lowered = std::max(0.05, std::pow(factor, std::max(t / 1000 - 1, 0)));
      ASSERT_DOUBLE_EQ(last, lowered) << t;
      s.update2 = last * last;
      s.updated = 1;
    }
  }
}

}  // namespace
