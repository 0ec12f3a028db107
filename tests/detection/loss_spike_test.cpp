// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// The loss, and what is known of its spread.

#include <gtest/gtest.h>

#include <agmohd/recipes.hpp>
#include <cmath>
#include <random>

#include "runs.hpp"

namespace {

using namespace testing_detection;

TEST(LossSpike, AcceptsAnotherScaleOfTheLossWithinTenSteps) {
  for (const double sigma : {0.05, 0.15, 0.3}) {
    for (const double scale : {0.1, 5.0, 20.0, 500.0}) {
      for (unsigned seed = 1; seed <= 20; ++seed) {
        Healthy healthy(seed, sigma);
        Driven<recipe::AGMOHD> run;
        for (int t = 0; t < 2000; ++t) run.step(healthy.next());
        int skips = 0;
        for (int t = 0; t < 1000; ++t) {
          Signals s = healthy.next(scale);
          s.loss *= scale;
          s.can_roll_back = true;
          const Verdict v = run.step(s);
          skips += v.skip ? 1 : 0;
          ASSERT_FALSE(v.rollback) << sigma << " x" << scale << " seed " << seed << " step " << t;
          if (t >= 10) {
            ASSERT_EQ(v.flags & (Flag::loss_spike | Flag::accepted), 0U) << t;
            ASSERT_FALSE(v.skip) << sigma << " x" << scale << " seed " << seed << " step " << t;
          }
        }
        EXPECT_LE(skips, 9);
      }
    }
  }
}

TEST(LossSpike, IsNoOtherScaleIfTheNormStandsOutByAnotherFactor) {
  for (const double norm : {1.0, 2.5, 10.0, 1000.0}) {
    Healthy healthy(23);
    Driven<recipe::AGMOHD> run;
    for (int t = 0; t < 2000; ++t) run.step(healthy.next());
    int high = 0;
    for (Verdict v; (v.flags & Flag::accepted) == 0 && high < 50; ++high) {
      Signals s = healthy.next(norm);
      s.loss *= 5;
      v = run.step(s);
    }
    EXPECT_GE(high, 20) << norm;
  }
}

TEST(LossSpike, WithoutASnapshotIsAcceptedAfter30HighLosses) {
  for (const double factor : {1.4, 2.0, 3.0, 1e30}) {
    Healthy healthy(24);
    Driven<recipe::AGMOHD> run;
    for (int t = 0; t < 8000; ++t) run.step(healthy.next());
    int accepted = -1;
    for (int t = 0; t < 500; ++t) {
      Signals s = healthy.next();
      s.loss *= factor;
      const Verdict v = run.step(s);
      ASSERT_FALSE(v.skip || v.rollback);
      ASSERT_EQ(v.flags & Flag::give_up, 0U);
      if ((v.flags & Flag::accepted) != 0) {
        EXPECT_EQ(accepted, -1);
        accepted = t;
      }
      if (accepted >= 0 && t > accepted) {
        ASSERT_EQ(v.flags & Flag::loss_spike, 0U) << factor << " " << t;
      }
    }
    EXPECT_GE(accepted, 29) << factor;
    EXPECT_LE(accepted, 45) << factor;
  }
}

TEST(LossSpike, ThatLastsDoesNotBlindItsOwnDetector) {
  // 10 to 50 sigma: had they been learnt, sigma would have grown so far.
  for (const double sd : {0.06, 0.15}) {
    for (const double level : {4.5, 6.0}) {
      std::mt19937_64 random(25);
      std::normal_distribution<double> normal;
      Driven<Watching<hindrance::LossSpike>> run;
      const auto step = [&](double mean) {
        return run.step({.norm2 = 1,
                         .loss = mean + sd * normal(random),
                         .has_loss = true,
                         .can_roll_back = true});
      };
      for (int t = 0; t < 1000; ++t) ASSERT_EQ(step(3).flags, 0U);
      int high = 1;
      while (high < 100 && !step(level).rollback) ++high;
      EXPECT_EQ(high, 30) << sd << " " << level;
    }
  }
}

TEST(LossSpike, ARiseBelowSixSigmaIsSeenInTheMean) {
  for (const double rise : {3.0, 4.0}) {
    for (unsigned seed = 1; seed <= 10; ++seed) {
      std::mt19937_64 random(seed);
      std::normal_distribution<double> normal;
      Driven<Watching<hindrance::LossSpike>> run;
      const auto step = [&](double mean) {
        return run.step({.norm2 = 1,
                         .loss = mean + 0.15 * normal(random),
                         .has_loss = true,
                         .can_roll_back = true});
      };
      for (int t = 0; t < 3000; ++t) ASSERT_EQ(step(2.5).flags, 0U) << t;
      int steps = 1;
      while (steps < 100 && !step(2.5 + rise * 0.15).rollback) ++steps;
      EXPECT_GE(steps, 30);
      EXPECT_LT(steps, 60) << rise << " " << seed;
      for (int t = 0; t < 200; ++t) ASSERT_FALSE(step(2.5).rollback) << t;  // healed
    }
  }
}

TEST(LossSpike, RollsBackAfter30HighLossesThatDoNotFall) {
  for (const int ends : {0, 2}) {  // how many of the losses after the rollback are high still
    Healthy healthy(21);
    Driven<Watching<hindrance::LossSpike>> run;
    for (int t = 0; t < 300; ++t) run.step(healthy.next());
    int high = 0;
    for (Verdict v; !v.rollback && high < 50;) {
      Signals s = healthy.next();
      s.loss = 1000;
      s.can_roll_back = true;
      v = run.step(s);
      ++high;
    }
    EXPECT_EQ(high, 30);
    for (int i = 0; i < 3; ++i) {
      Signals s = healthy.next();
      if (i < ends) s.loss = 1000;
      s.can_roll_back = true;
      const Verdict v = run.step(s);
      EXPECT_EQ(v.rollback, ends == 2 && i == 1) << i;  // swapped back
      EXPECT_EQ(v.skip, v.rollback);
      if (v.rollback) break;
    }
    for (int i = 0; i < 100; ++i) {
      Signals s = healthy.next();
      if (ends == 2) s.loss = 1000;
      s.can_roll_back = true;
      EXPECT_FALSE(run.step(s).rollback) << i;
    }
  }
}

TEST(LossSpike, ThatFallsOrIsShortIsLeftAlone) {
  Healthy healthy(22);
  Driven<Watching<hindrance::LossSpike>> run;
  for (int t = 0; t < 300; ++t) run.step(healthy.next());
  for (int i = 0; i < 60; ++i) {
    Signals s = healthy.next();
    s.loss = 5000 * std::pow(0.92, i);
    s.can_roll_back = true;
    ASSERT_FALSE(run.step(s).rollback) << i;
  }
  for (int i = 0; i < 300; ++i) run.step(healthy.next());
  for (int i = 0; i < 300; ++i) {
    Signals s = healthy.next();
    if (i % 5 < 2) s.loss = 1e6;
    s.can_roll_back = true;
    ASSERT_FALSE(run.step(s).rollback) << i;
  }
}

TEST(LossSpike, IsAcceptedAfterThreeRollbacksIn1000Steps) {
  Driven<Watching<hindrance::LossSpike>> run;
  int rollbacks = 0, after = -1;
  double loss = 1;
  for (int t = 0; t < 900 && after < 0; ++t) {
    const Verdict v = run.step({.loss = loss, .has_loss = true, .can_roll_back = true});
    if (v.rollback) {
      EXPECT_EQ(v.flags & Flag::accepted, 0U);
      rollbacks += 1;
      loss = 1;
    } else if ((v.flags & Flag::accepted) != 0) {
      after = t;
    } else if (t % 150 == 149) {
      loss = 1e5 * std::pow(100, t / 150);
    }
  }
  EXPECT_EQ(rollbacks, 3);
  EXPECT_GT(after, 0);
}

TEST(Spread, ABadFirstValueIsForgotten) {
  for (const double first : {1e6, 1e30, 1e150}) {
    hindrance::LossSpike::Memory m;
    std::mt19937_64 random(26);
    std::normal_distribution<double> normal;
    const auto judge = [&](double loss) {
      return hindrance::LossSpike::judge({}, {.loss = loss, .has_loss = true}, m);
    };
    judge(first);
    for (int t = 0; t < 100; ++t) judge(3 + 0.1 * normal(random));
    EXPECT_NEAR(m.loss.mean, 3, 0.2) << first;
    EXPECT_EQ(judge(30).flags, unsigned(Flag::loss_spike)) << first;
  }
}

TEST(Spread, AcceptsNoLevelThatLeavesItBlind) {
  hindrance::Spread spread;
  for (int t = 0; t < 100; ++t) spread.learn(3, 0.1);
  spread.accept(1e200, 1e199);
  EXPECT_EQ(spread.mean, 3);
  EXPECT_TRUE(std::isfinite(spread.variance));
}

}  // namespace
