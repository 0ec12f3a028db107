// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// Non-finite steps.

#include <gtest/gtest.h>

#include <agmohd/recipes.hpp>
#include <cstdint>

#include "runs.hpp"

namespace {

using namespace testing_detection;

TEST(Nonfinite, GivesUpAtThe25thSkipInARowAndNotAgainBefore100AppliedSteps) {
  Healthy healthy(1);
  Driven<recipe::AGMOHD> run;
  std::int64_t applied = 0;
  for (const int calm : {1, 1, 98, 1, 200, 100}) {
    for (int i = 0; i < calm; ++i) run.step(healthy.next());
    applied += calm;
    const bool gives_up = applied == 1 || applied >= 101;
    for (int i = 1; i <= 60; ++i) {
      const Verdict v = run.step({.norm2 = kNaN, .nonfinite = 3});
      EXPECT_TRUE(v.skip);
      EXPECT_EQ(v.level, 1);
      EXPECT_EQ((v.flags & Flag::give_up) != 0, i == 25 && gives_up) << applied << ' ' << i;
    }
  }
}

TEST(Nonfinite, GivesUpWhereItIsEverySecondStepAndNeverWhereItIsRare) {
  for (const int period : {2, 3, 10, 100}) {
    Healthy healthy(4);
    Driven<recipe::AGMOHD> run;
    int gave_up = 0;
    for (int t = 1; t < 20000 && gave_up == 0; ++t) {
      Signals s = healthy.next();
      if (t % period == 0) s.nonfinite = 1;
      if ((run.step(s).flags & Flag::give_up) != 0) gave_up = t;
    }
    EXPECT_EQ(gave_up > 0, period < 4) << period;
    EXPECT_LT(gave_up, 200);
  }
}

TEST(Nonfinite, EightInARowRollBackAndIfThatFailsSwapBackAndGiveUpAt25) {
  for (const bool loss : {false, true}) {
    for (const bool can_roll_back : {false, true}) {
      for (const bool healed : {false, true}) {
        Healthy healthy(1);
        Driven<recipe::AGMOHD> run;
        for (int t = 0; t < 100; ++t) run.step(healthy.next());
        for (int i = 1; i <= 25; ++i) {
          Signals s = healthy.next();
          s.can_roll_back = can_roll_back;
          if (loss) s.loss = kNaN;
          if (!loss) s.nonfinite = 7;
          const Verdict v = run.step(s);
          EXPECT_TRUE(v.skip);
          EXPECT_EQ(v.rollback, can_roll_back && (i == 8 || i == 10)) << i;
          EXPECT_EQ((v.flags & Flag::give_up) != 0, i == 25) << i;
          if (v.rollback && healed) break;
        }
        for (int i = 0; i < 1000 && healed; ++i) EXPECT_FALSE(run.step(healthy.next()).skip);
      }
    }
  }
}

TEST(Nonfinite, RollsBackThreeTimesIn1000Steps) {
  Healthy healthy(1);
  Driven<recipe::AGMOHD> run;
  int rollbacks = 0;
  for (int t = 0; t < 900; ++t) {
    Signals s = healthy.next();
    s.can_roll_back = true;
    if (t % 100 > 91) s.nonfinite = 7;
    const Verdict v = run.step(s);
    rollbacks += v.rollback ? 1 : 0;
    EXPECT_EQ(v.flags & Flag::give_up, 0U);
  }
  EXPECT_EQ(rollbacks, 3);
}

}  // namespace
