// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// SkipStep follows OLMo.

#include <gtest/gtest.h>

#include <agmohd/recipes.hpp>
#include <cmath>

#include "published.hpp"

namespace {

using namespace testing_published;

using hindrance::SkipStep;

TEST(SkipStep, SkipsWhatOlmoSkips) {
  for (const bool repaired : {false, true}) {
    for (const char* name : {"skip_step", "skip_step_jump"}) {
      SkipStep::Memory m;
      std::size_t t = 0;
      for (const auto& row : golden(name)) {
        const Verdict v = SkipStep::judge({.repaired = repaired}, measured(row[1], row[0]), m);
        ASSERT_EQ(v.skip, row[2] != 0) << name << " " << t++;
        ASSERT_EQ(v.skip, v.level > 0);
      }
    }
  }
}

TEST(SkipStep, OneNanSkipsAnIntervalAsPublishedAndOneStepRepaired) {
  for (const char* name : {"skip_step_nan", "skip_step_early_nan"}) {
    SkipStep::Memory published, repaired;
    int skips = 0, skips_repaired = 0;
    std::size_t t = 0;
    for (const auto& row : golden(name)) {
      Signals s = measured(row[1], row[0]);
      s.has_loss = true;
      ASSERT_EQ(SkipStep::judge({.repaired = false}, s, published).skip, row[2] != 0)
          << name << " " << t;
      const Verdict v = SkipStep::judge({}, s, repaired);
      const bool finite = std::isfinite(row[0]) && std::isfinite(row[1]);
      ASSERT_EQ(v.skip, !finite) << name << " " << t++;
      ASSERT_EQ(v.flags, finite ? 0U : unsigned(Flag::nonfinite));
      skips += row[2] != 0 ? 1 : 0;
      skips_repaired += v.skip ? 1 : 0;
    }
    EXPECT_GT(skips, 100);
    EXPECT_EQ(skips_repaired, 1);
  }
}

TEST(SkipStep, RepairedANonfiniteStepLeavesTheWindows) {
  SkipStep::Memory m;
  for (int t = 0; t < 200; ++t) SkipStep::judge({}, measured(1 + 0.01 * (t % 7), 2), m);
  for (const Signals& s : {measured(kNaN, 2), measured(kInf, 2), measured(1, kInf)}) {
    const SkipStep::Memory before = m;
    EXPECT_TRUE(SkipStep::judge({}, s, m).skip);
    EXPECT_TRUE(same_bytes(m.losses, before.losses));
    EXPECT_TRUE(same_bytes(m.norms, before.norms));
  }
}

TEST(SkipStep, EqualValuesAreSkippedAsPublishedAlone) {
  for (const bool repaired : {false, true}) {
    SkipStep::Memory m;
    for (int t = 0; t < 150; ++t) {
      ASSERT_EQ(SkipStep::judge({.repaired = repaired}, measured(0.1), m).skip,
                !repaired && t >= 63)
          << t;
    }
  }
}

TEST(SkipStep, NeedsNoLossAndTakesShorterIntervals) {
  SkipStep::Memory m;
  const SkipStep::Options o{.rolling_interval = 20};
  for (int t = 0; t < 100; ++t) {
    EXPECT_FALSE(SkipStep::judge(o, measured(1 + 0.01 * (t % 7)), m).skip);
  }
  EXPECT_TRUE(SkipStep::judge(o, measured(1.2), m).skip);
  EXPECT_EQ(m.losses.count, 0);
  EXPECT_EQ(m.norms.count, 101);
}

}  // namespace
