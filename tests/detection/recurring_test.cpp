// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// What lasts or comes back is accepted.

#include <gtest/gtest.h>

#include <agmohd/recipes.hpp>
#include <cmath>
#include <cstdint>
#include <random>

#include "runs.hpp"

namespace {

using namespace testing_detection;

// What the fourth generation is for: a large gradient in every so many steps is the data's.
TEST(Explosion, ALargeNormThatComesBackIsAccepted) {
  for (const bool high : {false, true}) {
    for (const int period : {4, 16, 50, 200}) {
      for (const double scale : {10.0, 30.0, 1000.0}) {
        Healthy healthy(17);
        Driven<recipe::AGMOHD> run;
        for (int t = 0; t < 300; ++t) run.step(healthy.next());
        int touched = 0, skipped = 0;
        constexpr int kTimes = 100;
        for (int t = 1; t <= kTimes * period; ++t) {
          const bool rare = t % period == 0;
          Signals s = healthy.next(rare ? scale : 1);
          if (rare && high) s.loss *= 5;
          const Verdict v = run.step(s);
          ASSERT_FALSE(v.skip && !rare);
          touched += v.skip || clips(v, s) ? 1 : 0;
          skipped += v.skip ? 1 : 0;
        }
        EXPECT_EQ(skipped, 0) << "x" << scale << " in every " << period;
        EXPECT_LE(touched, 20 + kTimes * period / 500) << "x" << scale << " in every " << period;
      }
    }
  }
}

TEST(Explosion, ALargeNormOfOneTensorThatComesBackIsAccepted) {
  for (const int period : {16, 50}) {
    Healthy healthy(18);
    Driven<recipe::AGMOHD> run;
    int clipped = 0, late = 0;
    for (int t = 1; t <= 100 * period; ++t) {
      Signals s = healthy.next();
      s.norm2 = 0.01;  // below the base clip
      TensorSignals ts{1e-4, 1, 0, 50};
      if (t > 300 && t % period == 0) ts.norm2 *= 1e4;
      run.step(s, ts);
      const bool did = run.k.gradient.factor < 1;
      clipped += did ? 1 : 0;
      if (t > 60 * period) late += did ? 1 : 0;
    }
    EXPECT_GE(clipped, 2);
    EXPECT_LE(clipped, 8);
    EXPECT_LE(late, 1 + 40 * period / 500);
  }
}

TEST(Explosion, AcceptsAPermanentChangeWithinTenSteps) {
  for (const double sigma : {0.0, 0.05, 0.15, 0.3}) {
    for (const double scale : {5.0, 100.0, 1e30}) {
      for (const int start : {60, 300, 3000}) {
        Healthy healthy(11, sigma);
        Driven<recipe::AGMOHD> run;
        for (int t = 0; t < start; ++t) run.step(healthy.next());
        int skips = 0, touched = 0;
        for (int t = 0; t < 1000; ++t) {
          const Signals s = healthy.next(scale);
          const Verdict v = run.step(s);
          skips += v.skip ? 1 : 0;
          if (t >= 10) {
            ASSERT_FALSE(v.skip) << sigma << " x" << scale << " " << t;
            touched += clips(v, s) ? 1 : 0;
          }
        }
        EXPECT_LE(skips, 5) << sigma << " x" << scale;
        EXPECT_LE(touched, 20) << sigma << " x" << scale << " from " << start;
      }
    }
  }
}

TEST(Explosion, OfDataThatARollbackDoesNotCureIsAccepted) {
  Healthy healthy(16);
  Driven<recipe::AGMOHD> run;
  for (int t = 0; t < 300; ++t) run.step(healthy.next());
  int skips = 0, rollbacks = 0;
  for (int t = 0; t < 500; ++t) {
    Signals s = healthy.next(30);
    s.can_roll_back = true;
    s.loss *= 4;
    const Verdict v = run.step(s);
    skips += v.skip ? 1 : 0;
    rollbacks += v.rollback ? 1 : 0;
    if (t > 50) {
      ASSERT_EQ(v.flags & (Flag::accepted | Flag::loss_spike), 0U) << t;
    }
  }
  EXPECT_EQ(rollbacks, 2);  // swapped in, swapped back
  EXPECT_LE(skips, 28);
}

/// A long run of AGMOHD in which something comes back again and again.
struct Recurring {
  using R = recipe::AGMOHD;
  std::int64_t skipped = 0, bounded = 0, throttled = 0, unstable = 0;  // in the second half

  /// `norm`, `loss`, `lr`: by how much these are larger in the first `length` of `period` steps.
  Recurring(int period, int length, double norm, double loss, double lr, int steps = 100000) {
    std::mt19937_64 random(1);
    std::normal_distribution<double> normal;
    R::Memory memory{};
    R::PerTensor tensor{};
    for (int t = 0; t < steps; ++t) {
      const bool comes = t > 500 && t % period < length;
      R::Group group{};
      group.lr = 1e-3 * (comes ? lr : 1);
      Signals s;
      const double n = std::exp(0.1 * normal(random)) * (comes ? norm : 1);
      s.norm2 = n * n;
      s.has_loss = true;
      s.loss = 3 * (comes ? loss : 1) * (1 + 0.02 * normal(random));
      memory.swept.update2 = 0.01 * std::exp(0.2 * normal(random));
      memory.swept.updated = 1;
      R::join(s, memory);
      const Verdict v = R::judge({}, group, s, memory);
      const std::int64_t before = tensor.hindrance.throttled;
      if (!v.skip) {
        (void)R::decide<float>({}, group, s, v, memory, tensor, 0,
                               {.norm2 = s.norm2, .numel = 100});
        memory.updates += 1;
      }
      if (t > steps / 2) {
        skipped += v.skip ? 1 : 0;
        bounded += v.norm_bound < 0.999 * n ? 1 : 0;
        throttled += tensor.hindrance.throttled - before;
        unstable += v.unstable ? 1 : 0;
      }
      (void)R::remember({}, group, s, v, memory);
    }
  }
};

/// What comes back is the data: one step in 500 is touched, or what a burst of the longest takes.
TEST(Explosion, BurstsThatComeBackAreAccepted) {
  for (const double norm : {10.0, 100.0}) {
    for (const int period : {500, 1000, 2000}) {
      for (const int length : {5, 20, 40}) {
        const Recurring seen(period, length, norm, 1.5, 1);
        EXPECT_LE(seen.bounded, 130) << norm << " " << period << " " << length;
        EXPECT_LE(seen.skipped, 110) << norm << " " << period << " " << length;
      }
    }
  }
  EXPECT_GT(Recurring(2000, 20, 10, 1.5, 1, 2100 * 2).skipped, 10);  // the first ones are
}

TEST(StepTooLarge, ARateThatRisesAgainAndAgainIsAcceptedWhateverTheLossDoes) {
  for (const double lr : {4.0, 10.0}) {
    for (const int length : {1, 5, 20}) {
      for (const double loss : {1.0, 1.5}) {
        const Recurring seen(100, length, 1, loss, lr);
        EXPECT_LE(seen.throttled, 250) << lr << " " << length << " " << loss;
        EXPECT_LE(seen.unstable, 250) << lr << " " << length << " " << loss;
      }
    }
  }
}

}  // namespace
