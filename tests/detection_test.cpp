// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

// What hindrance detection promises, on sequences of signals and of gradients: no LibTorch needed.

#include <gtest/gtest.h>

#include <agmohd/policy/check.hpp>
#include <agmohd/recipes.hpp>
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace {

using namespace agmohd;
using Detector = hindrance::Detector;
constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

template <class T>
bool same_bytes(const T& a, const T& b) {
  return std::memcmp(&a, &b, sizeof(T)) == 0;
}

/// Signals of a healthy run: log-normal norms, a noisy loss that falls, updates of one size.
class Healthy {
 public:
  explicit Healthy(unsigned seed, double sigma = 0.3) : random_(seed), sigma_(sigma) {}
  Signals next(double scale = 1) {
    const double norm =
        scale * std::exp(sigma_ * normal_(random_)) * (0.2 + std::exp(-time_ / 3e3));
    Signals s;
    s.norm2 = norm * norm;
    s.has_loss = true;
    s.loss = 2 + 6 * std::exp(-time_ / 2e3) + 0.1 * normal_(random_);
    s.lr = 1e-3 * std::min(1.0, (time_ + 1) / 500) * (0.5 + 0.5 * std::cos(time_ * 3e-4));
    const double rms = 0.3 * std::exp(0.05 * normal_(random_));
    s.update2 = 1000 * rms * rms;
    s.updated = time_ > 0 ? 1000 : 0;
    s.along = time_ > 0 ? 1e-2 * (1 + 0.3 * normal_(random_)) : 0;
    s.along_previous = time_ > 0 ? 2e-3 * normal_(random_) : 0;
    time_ += 1;
    return s;
  }

 private:
  std::mt19937_64 random_;
  std::normal_distribution<double> normal_;
  double sigma_, time_ = 0;
};

/// A recipe that is driven by signals alone.
template <class R>
struct Driven {
  typename R::Shared shared{};
  typename R::Group group{};
  typename R::Memory memory{};
  typename R::PerTensor tensor{};
  Verdict verdict{};
  typename R::template Coefficients<double> k{};

  explicit Driven(double lr = 1e-3) { group.lr = lr; }
  Verdict step(Signals s, TensorSignals ts = {}) {
    if constexpr (R::keeps_snapshots) {  // to swap in and to swap back
      shared.recovery.snapshots = s.can_roll_back;
      if (s.can_roll_back)
        memory.recovery = {.made = 2, .stamps = {2, -1}, .since_swap = 0, .last = 1};
    }
    verdict = R::judge(shared, group, s, memory);
    if (!verdict.skip) {
      k = R::template decide<double>(shared, group, s, verdict, memory, tensor, 0, ts);
      memory.updates += 1;
    }
    if constexpr (has::inspect<typename R::Hindrance>) {
      R::Hindrance::learn(shared.hindrance, s, verdict, memory.hindrance);
    }
    return verdict;
  }
};
template <class H>
using Watching = Recipe<rule::AdamW, H, gradient::Choice, recovery::Snapshots>;

bool clips(const Verdict& v, const Signals& s) { return std::sqrt(s.norm2) > v.norm_bound; }

// ---- A healthy run

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

// ---- One bad value

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

// ---- Non-finite steps

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

// ---- Explosions

TEST(Explosion, ClipsASpikeToThreeSigmaAndSkipsASevereOne) {
  Healthy healthy(2, 0.3);
  hindrance::Explosion::Memory m;
  for (int t = 0; t < 400; ++t) hindrance::Explosion::judge({}, healthy.next(), m);
  const double sigma = m.norm.sigma(hindrance::kNormSigma), mean = m.norm.mean;
  const auto at = [&](double z) { return Signals{.norm2 = std::exp(2 * (mean + z * sigma))}; };
  auto copy = m;
  EXPECT_EQ(hindrance::Explosion::judge({}, at(3.4), copy).flags, 0U);
  copy = m;
  Verdict v = hindrance::Explosion::judge({}, at(3.6), copy);  // noticed, below the threshold
  EXPECT_EQ(v.flags, Flag::explosion);
  EXPECT_EQ(v.norm_bound, kInf);
  copy = m;
  v = hindrance::Explosion::judge({}, at(4.75), copy);
  EXPECT_NEAR(v.level, 0.5, 1e-9);
  EXPECT_NEAR(std::log(v.norm_bound), mean + 3 * sigma, 1e-9);
  EXPECT_FALSE(v.skip);
  copy = m;
  v = hindrance::Explosion::judge({}, at(8.5), copy);
  EXPECT_EQ(v.level, 1);
  EXPECT_NEAR(std::log(v.norm_bound), mean + 3 * sigma, 1e-9);
  EXPECT_FALSE(v.skip);
  copy = m;
  v = hindrance::Explosion::judge({}, at(9.5), copy);
  EXPECT_EQ(v.level, 1);
  EXPECT_NEAR(std::log(v.norm_bound), mean + 3 * sigma, 1e-9);
  EXPECT_FALSE(v.skip);
}

TEST(Explosion, SkipsABurstOfSevereOnesWhileTheLossIsHigh) {
  using Policy = hindrance::Detect<hindrance::LossSpike, hindrance::Explosion>;
  for (const bool high : {false, true}) {
    for (const double scale : {3.0, 100.0}) {
      Healthy healthy(2);
      Policy::Memory m;
      for (int t = 0; t < 400; ++t) Policy::judge({}, healthy.next(), m);
      for (int t = 0; t < 3; ++t) {
        const Policy::Memory before = m;
        Signals s = healthy.next(scale);
        if (high) s.loss *= 3;
        const bool skips = high && scale > 50 && t > 0;
        EXPECT_EQ(Policy::judge({}, s, m).skip, skips) << high << " " << scale << " " << t;
        EXPECT_EQ(same_bytes(before.rest.norm, m.rest.norm), skips);
      }
    }
  }
}

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

TEST(Explosion, TheThresholdDecidesWhatIsClipped) {
  using Policy = hindrance::Detect<hindrance::Explosion>;
  for (const double threshold : {0.0, 0.1, 0.4, 0.6, 1.0}) {
    Healthy healthy(2);
    static Policy::Options o;
    o.hindrance_threshold = threshold;
    Policy::Memory m;
    for (int t = 0; t < 300; ++t) Policy::judge(o, healthy.next(), m);
    EXPECT_FALSE(Policy::judge(o, {.norm2 = std::exp(2 * m.norm.mean)}, m).hindered);
    const double x = m.norm.mean + 4.75 * m.norm.sigma(hindrance::kNormSigma);  // evidence 0.5
    EXPECT_EQ(Policy::judge(o, {.norm2 = std::exp(2 * x)}, m).hindered, threshold < 0.5);
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

TEST(Explosion, IsSkippedUpTo20TimesWhileTheLossIsHighToo) {
  for (const bool high : {false, true}) {
    Healthy healthy(12);
    Driven<recipe::AGMOHD> run;
    for (int t = 0; t < 300; ++t) run.step(healthy.next());
    int skips = 0, exploded = 0;
    Verdict v;
    for (int t = 0; t < 100; ++t) {
      Signals s = healthy.next(100);
      if (high) s.loss = 50;
      v = run.step(s);
      EXPECT_FALSE(v.rollback);
      if (v.skip) ++skips;
      if ((v.flags & Flag::accepted) != 0 || (v.flags & Flag::explosion) == 0) break;
      ++exploded;
    }
    EXPECT_EQ(skips, high ? 20 : 0);
    EXPECT_EQ((v.flags & Flag::accepted) != 0, high);  // else by its allowance
    EXPECT_LE(exploded, high ? 21 : 4);
    EXPECT_EQ(v.norm_bound, kInf);
    for (int t = 0; t < 20; ++t) EXPECT_FALSE(run.step(healthy.next(1e6)).skip);  // only clips
  }
}

TEST(Explosion, SkipsAreFewInTheLongRun) {
  for (const bool high : {false, true}) {
    for (const int period : {1, 2, 3, 10}) {  // one step in so many is sound
      Healthy healthy(14);
      Driven<recipe::AGMOHD> run;
      for (int t = 0; t < 300; ++t) run.step(healthy.next());
      int first = 0, later = 0;
      for (int t = 0; t < 2000; ++t) {
        const bool bad = period == 1 ? t % 10 != 0 : t % period == 0;
        Signals s = healthy.next(bad ? 1e30 * (1 + t / 200) : 1);
        if (bad && high) s.loss = 1e35;
        const Verdict v = run.step(s);
        EXPECT_EQ(v.flags & Flag::give_up, 0U);
        (t < 100 ? first : later) += v.skip ? 1 : 0;
      }
      EXPECT_LE(first, high ? 34 : 0) << period;
      EXPECT_LE(later, high ? 1900 / 11 + 25 : 0) << period;
    }
  }
}

TEST(Explosion, InMostBatchesWithAHighLossAsksForARollback) {
  Healthy healthy(15);
  Driven<recipe::AGMOHD> run;
  for (int t = 0; t < 300; ++t) run.step(healthy.next());
  bool damaged = true;
  int skips = 0, rollbacks = 0;
  for (int t = 0; t < 300; ++t) {
    Signals s = healthy.next(damaged && t % 8 != 0 ? 1e30 : 1);
    s.can_roll_back = true;
    if (damaged && t % 8 != 0) s.loss = 1e35;
    const Verdict v = run.step(s);
    skips += v.skip ? 1 : 0;
    rollbacks += v.rollback ? 1 : 0;
    if (v.rollback) damaged = false;
    EXPECT_EQ(v.flags & Flag::accepted, 0U);
  }
  EXPECT_EQ(rollbacks, 1);
  EXPECT_LE(skips, 30);
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

TEST(Explosion, OfOneTensorIsClippedThereAlone) {
  Healthy healthy(13);
  Driven<recipe::AGMOHD> run;
  const auto part = [](const Signals& s, double scale) {
    return TensorSignals{scale * scale * s.norm2 / 100, 1, 0, 50};
  };
  for (int t = 0; t < 300; ++t) {
    const Signals s = healthy.next();
    run.step(s, part(s, 1));
  }
  const hindrance::Spread before = run.tensor.hindrance.memory.head.norm;
  Signals s = healthy.next();
  s.norm2 = 0.01;
  run.step(s, part(s, 1000));
  EXPECT_NEAR(std::log(run.k.gradient.factor * std::sqrt(part(s, 1000).norm2)),
              before.mean + 3 * before.sigma(hindrance::kNormSigma), 1e-9);
  EXPECT_LT(run.tensor.hindrance.memory.head.norm.mean,
            before.mean + 0.1 * before.sigma(hindrance::kNormSigma));
  // A change of regime of all: once it is accepted nothing of it is clipped but by the base clip.
  Driven<recipe::AGMOHD> other;
  for (int t = 0; t < 300; ++t) {
    s = healthy.next();
    other.step(s, part(s, 1));
  }
  for (int t = 0; t < 6; ++t) {
    s = healthy.next(100);
    other.step(s, part(s, 1));
  }
  EXPECT_EQ(other.verdict.flags & Flag::explosion, 0U);
  EXPECT_EQ(other.k.gradient.factor, 1 / std::sqrt(s.norm2));
}

// ---- The size of steps

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

// ---- The loss

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

// ---- Reports

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

/// Two rollbacks, of which only the second is to be undone: what the first swapped out is broken.
TEST(Snapshots, AnUndoBringsBackWhatTheLastRollbackTookAway) {
  using recovery::Snapshots;
  const Snapshots::Options o{.snapshots = true, .snapshot_every = 50, .snapshots_on_host = false};
  Snapshots::Memory m;
  const auto step = [&](Verdict v) {
    Snapshots::plan(o, m, v);
    Snapshots::advance(o, Signals{}, v, m);
    return v;
  };
  int saved = 0;
  for (int t = 0; t < 310; ++t) saved += step({}).save >= 0 ? 1 : 0;
  ASSERT_EQ(saved, 6);
  Verdict broken;
  broken.skip = broken.rollback = true;
  broken.flags = Flag::nonfinite;
  const int newer = step(broken).swap;
  for (int t = 0; t < 5; ++t) step({});
  Verdict spike = broken;
  spike.flags = Flag::loss_spike;
  const int older = step(spike).swap;
  EXPECT_EQ(newer + older, 1);
  spike.undo = true;
  EXPECT_EQ(step(spike).swap, older);
}

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

// ---- How kinds compose

/// Somebody's own kind: it needs no more than this.
struct Third {
  struct Options {
    double period = 1e9;
  };
  struct Memory {
    double seen = 0;
  };
  static constexpr auto fields = describe(field("period", &Options::period, above(0)));
  static constexpr unsigned wants = kMaxAbs;
  static const char* name() { return "Third"; }
  static void examine(const Options& o, const Signals&, const Memory& m, Verdict& v) {
    v.skip = v.skip || std::fmod(m.seen, o.period) == o.period - 1;
  }
  static void learn(const Options&, const Signals&, const Verdict&, Memory& m) { m.seen += 1; }
};

template <class... K>
void expect_each_composes() {
  const auto one = [&]<class Kind>() {
    using Both = hindrance::Detect<Kind, Third>;
    static_assert(Hindrance<Kind> && Hindrance<Both> && (Both::wants & kMaxAbs) != 0);
    Healthy healthy(5);
    Driven<Watching<Kind>> alone;
    Driven<Watching<Both>> both;
    for (int t = 0; t < 300; ++t) {
      const Signals s = healthy.next(t == 200 ? 2.5 : 1);
      const Verdict a = alone.step(s), b = both.step(s);
      ASSERT_EQ(a.flags, b.flags) << t;
      ASSERT_EQ(a.level, b.level);
      ASSERT_EQ(a.norm_bound, b.norm_bound);
    }
    if constexpr (!std::is_empty_v<typename Kind::Memory>) {
      EXPECT_TRUE(same_bytes(alone.memory.hindrance, both.memory.hindrance.head));
    }
  };
  (one.template operator()<K>(), ...);
}

TEST(Kinds, EachIsAPolicyAndComposes) {
  using namespace hindrance;
  expect_each_composes<Nonfinite, Explosion, StepTooLarge, ImpossibleMoment, LossSpike, Oscillation,
                       Vanishing, Plateau>();
  static_assert(Detector::wants ==
                (kNorm | kNonfinite | kLoss | kTensors | kUpdate | kAlignment | kGuard));
  std::vector<std::string> names;
  Detector::fields.each([&](const auto& f, auto) { names.emplace_back(f.name); });
  EXPECT_EQ(names, (std::vector<std::string>{"hindrance_threshold", "plateau_factor",
                                             "plateau_floor", "vanishing_eps"}));
}

TEST(Kinds, ASkipByOneStopsTheStatisticsOfAll) {
  using Policy = hindrance::Detect<Third, Detector::DetectorList>;
  Healthy healthy(6);
  static Policy::Options o;
  o.detectors.head.period = 3;
  Policy::Memory m;
  Detector::Memory expected;
  for (int t = 0; t < 900; ++t) {
    const Signals s = healthy.next();
    if (!Policy::judge(o, s, m).skip) {
      hindrance::conclude<Detector::DetectorList>(o.detectors.rest.head, s, expected);
    }
    if (t % 3 != 2) {
      ASSERT_TRUE(same_bytes(m.rest, expected)) << t;
    }
  }
}

// ---- What follows from a verdict

TEST(AdaptiveMomentum, StaysWithinItsBoundsAndComesBackToTheBit) {
  for (const double beta1 : {0.0, 0.3, 0.5, 0.9, 0.95, 0.999}) {
    momentum::Adaptive::Memory m;
    for (const int unstable : {1, 2, 30, 5000}) {
      for (int t = 0; t < unstable; ++t) {
        momentum::Adaptive::advance({}, {.unstable = true}, m);
        const double b = momentum::Adaptive::blend({}, m, beta1).beta1;
        EXPECT_GE(b, std::min(beta1, 0.5));
        EXPECT_LE(b, beta1);
        EXPECT_EQ(b<beta1, beta1> 0.5 && t >= 2) << t;  // from the third on
      }
      int calm = 0;
      for (double last = 0; m.calm != 1; ++calm) {
        ASSERT_LT(calm, 136);
        momentum::Adaptive::advance({}, {}, m);
        const Blend b = momentum::Adaptive::blend({}, m, beta1);
        EXPECT_GE(b.beta1, last);
        EXPECT_LE(b.beta1, beta1);
        last = b.beta1;
      }
      EXPECT_EQ(momentum::Adaptive::blend({}, m, beta1).beta1, beta1);
      for (; m.strain > 0; ++calm) momentum::Adaptive::advance({}, {}, m);
      EXPECT_LE(calm, 136);
    }
  }
}

TEST(MomentumChoice, SelectsAndServesSGDWithoutMomentum) {
  using momentum::Choice;
  momentum::Choice::Memory m{.calm = 0.5};
  const auto blend = [&](momentum::Mode mode, double beta1) {
    momentum::Choice::Options o;
    o.momentum_schedule = mode;
    return momentum::Choice::blend(o, m, beta1);
  };
  EXPECT_EQ(blend(momentum::Mode::adaptive, 0.9).beta1, 0.5 + (0.9 - 0.5) * 0.5);
  EXPECT_EQ(blend(momentum::Mode::fixed, 0.9).beta1, 0.9);
  EXPECT_EQ(blend(momentum::Mode::nesterov, 0.9).look, 1);
  for (const auto mode :
       {momentum::Mode::adaptive, momentum::Mode::fixed, momentum::Mode::nesterov}) {
    Driven<recipe::AGMOHDSGD> run(0.5);
    run.shared.momentum.momentum_schedule = mode;
    run.shared.gradient.gradient_clipping = gradient::Clipping::none;
    run.step({.norm2 = 4});
    recipe::AGMOHDSGD::Slots<double> s{};
    EXPECT_EQ(recipe::AGMOHDSGD::sweep(3.0, 2.0, s, run.k, {}), 2.0);
  }
}

TEST(Clipping, ChoiceDoesOneThingAndKeepsTheBitsOtherwise) {
  using gradient::Clipping, gradient::Choice;
  const auto clipped = [](Clipping mode, float g, double bound = kInf, double tensor_bound = kInf) {
    Signals s{.norm2 = 400};
    TensorSignals ts{.norm2 = 100, .max_abs = 4, .nonfinite = 0, .numel = 9};
    const gradient::Choice::Options o{mode, 5, 2};
    return gradient::Choice::apply(g, gradient::Choice::at<float>(o, s, {.norm_bound = bound}, ts,
                                                                  {.norm_bound = tensor_bound}));
  };
  EXPECT_EQ(clipped(Clipping::adaptive, 4), 1);
  EXPECT_EQ(clipped(Clipping::adaptive, 4, 2), 0.4F);
  EXPECT_EQ(clipped(Clipping::adaptive, 4, kInf, 1), 0.4F);
  EXPECT_EQ(clipped(Clipping::adaptive, 4, kInf, 9), 1);  // the global clip suffices
  EXPECT_EQ(clipped(Clipping::global_norm, 4, kInf, 1), 1);
  EXPECT_EQ(clipped(Clipping::per_tensor, 4), 2);
  EXPECT_EQ(clipped(Clipping::value, 4), 2);
  for (const float g : {0.1F, -0.0F, 1e-45F, 1e30F, -3e38F}) {
    const float same = clipped(Clipping::none, g);
    EXPECT_TRUE(same_bytes(same, g)) << g;
  }
  for (const float g : {0.1F, -0.0F, 1e-45F}) {
    const float same = clipped(Clipping::value, g);
    EXPECT_TRUE(same_bytes(same, g)) << g;
  }
  EXPECT_TRUE(std::isnan(clipped(Clipping::value, std::nanf(""))));
}

TEST(Clipping, OldLinksOfAChainScaleTheSumsOfATensorToo) {
  using Chain = gradient::Chain<gradient::ClipByNorm, gradient::AdaptiveClip>;
  Signals s{.norm2 = 400};
  TensorSignals ts{.norm2 = 100, .max_abs = 4, .nonfinite = 0, .numel = 9};
  const Chain::Options o{{5}, {{1000}}};
  const auto k = gradient::transform_at<double, Chain>(o, s, {}, ts, {.norm_bound = 1.25});
  EXPECT_DOUBLE_EQ(s.norm2, 25);
  EXPECT_DOUBLE_EQ(ts.norm2, 1.25 * 1.25);
  EXPECT_DOUBLE_EQ(Chain::apply(4.0, k, {}), 0.5);
}

TEST(Recipes, TakePoliciesInAnyOrder) {
  using schedule::Cosine, schedule::Warmup, gradient::ClipByNorm, gradient::ClipByValue;
  using Straight = Recipe<rule::AdamW, ClipByValue, ClipByNorm, Warmup<Cosine>, recovery::None>;
  using Crossed = Recipe<Warmup<Cosine>, ClipByValue, rule::AdamW, ClipByNorm>;
  using Chained = Recipe<gradient::Chain<ClipByValue, ClipByNorm>, rule::AdamW, Warmup<Cosine>>;
  static_assert(std::is_same_v<Straight, Crossed> && std::is_same_v<Straight, Chained>);
  EXPECT_EQ(Straight::name(), "AdamW/None/Fixed/ClipByValue,ClipByNorm/Warmup<Cosine>");
  using Other = Recipe<rule::AdamW, ClipByNorm, ClipByValue, Warmup<Cosine>>;
  EXPECT_EQ(Other::name(), "AdamW/None/Fixed/ClipByNorm,ClipByValue/Warmup<Cosine>");
  static_assert(std::is_same_v<Recipe<rule::SGD, gradient::Chain<ClipByNorm>>,
                               Recipe<ClipByNorm, storage::Native, rule::SGD>>);
  static_assert(std::is_same_v<recipe::AdamW, Recipe<gradient::None, rule::AdamW>>);
}

TEST(Schedules, ByHand) {
  const schedule::Cyclical::Options cyclical{10, 0.2};
  const double up[] = {0.2, 0.36, 0.52, 0.68, 0.84, 1, 0.84, 0.68, 0.52, 0.36, 0.2, 0.36};
  for (int t = 0; t < 12; ++t) EXPECT_NEAR(schedule::Cyclical::factor(cyclical, t), up[t], 1e-15);
  for (int t = 0; t < 40; ++t) {
    EXPECT_DOUBLE_EQ(schedule::Step::factor({4, 0.5}, t), std::pow(0.5, t / 4));
  }
  using schedule::Choice, schedule::Shape;
  schedule::Choice::Options o{.lr_schedule = Shape::cyclical,
                              .total_steps = 20,
                              .min_factor = 0.2,
                              .cycle_steps = 10,
                              .step_size = 4,
                              .gamma = 0.5};
  EXPECT_EQ(schedule::Choice::factor(o, 3), schedule::Cyclical::factor(cyclical, 3));
  o.lr_schedule = Shape::step;
  EXPECT_EQ(schedule::Choice::factor(o, 9), 0.25);
  o.lr_schedule = Shape::cosine;
  EXPECT_EQ(schedule::Choice::factor(o, 7), schedule::Cosine::factor({20, 0.2}, 7));
  o.lr_schedule = Shape::none;
  EXPECT_EQ(schedule::Choice::factor(o, 7), 1);

  for (const Shape shape : {Shape::cyclical, Shape::cosine, Shape::step, Shape::none}) {
    o.lr_schedule = shape;
    schedule::Choice::Options warm = o;
    warm.warmup_steps = 5;
    agmohd::check<schedule::Choice>(warm);
    for (int t = 0; t < 40; ++t) {
      EXPECT_EQ(schedule::Choice::factor(warm, t),
                (schedule::Warmup<schedule::Choice>::factor({.warmup_steps = 5, .after = o}, t)))
          << t;
    }
    warm.warmup_steps = 20;
    if (shape == Shape::cosine) {
      EXPECT_THROW(agmohd::check<schedule::Choice>(warm), std::invalid_argument);
    }
  }
  o.lr_schedule = Shape::cosine;
  EXPECT_EQ(schedule::Choice::factor({Shape::cosine, 20, 0.2, 10, 4, 0.5, 5}, 12),
            schedule::Cosine::factor({15, 0.2}, 7));

  using Warm = schedule::HindranceAware<schedule::Warmup<schedule::Choice>>;
  agmohd::check<Warm>({});  // total_steps is cosine's alone
  const Warm::Options step{
      false,
      {.warmup_steps = 2, .after = {.lr_schedule = Shape::step, .step_size = 4, .gamma = 0.5}}};
  agmohd::check<Warm>(step);
  EXPECT_EQ(Warm::factor(step, 0), 0.5);
  EXPECT_EQ(Warm::factor(step, 7), 0.5);
  EXPECT_THROW(
      agmohd::check<Warm>(
          {false, {.warmup_steps = 5, .after = {.lr_schedule = Shape::cosine, .total_steps = 5}}}),
      std::invalid_argument);
}

TEST(Options, SayWhatTheyNeedToHaveAnEffect) {
  using agmohd::detail::needs;
  const auto of = [](const char* text) { return std::string(text != nullptr ? text : ""); };
  using Schedule = schedule::HindranceAware<schedule::Warmup<schedule::Choice>>;
  Schedule::Options s;
  EXPECT_EQ(of(needs<Schedule>(s, "total_steps")), "lr_schedule = cosine");
  EXPECT_EQ(of(needs<Schedule>(s, "gamma")), "lr_schedule = step");
  EXPECT_EQ(of(needs<Schedule>(s, "warmup_steps")), "");
  s.schedule.after.lr_schedule = schedule::Shape::cosine;
  EXPECT_EQ(of(needs<Schedule>(s, "total_steps")), "");
  EXPECT_EQ(of(needs<Schedule>(s, "cycle_steps")), "lr_schedule = cyclical");
  using Chain = gradient::Chain<gradient::ClipByValue, gradient::Choice>;
  EXPECT_EQ(of(needs<Chain>({}, "max_value")), "") << "the first transform's";
  EXPECT_EQ(of(needs<gradient::Choice>({}, "max_value")), "gradient_clipping = value");
  EXPECT_EQ(of(needs<gradient::Choice>({gradient::Clipping::none}, "max_norm")),
            "gradient_clipping = adaptive, global_norm or per_tensor");
  EXPECT_EQ(of(needs<Detector>({}, "plateau_floor")), "plateau_factor below 1");
  EXPECT_EQ(of(needs<Detector>({}, "vanishing_eps")), "");
  EXPECT_EQ(of(needs<momentum::Choice>({momentum::Mode::fixed}, "min_momentum")),
            "momentum_schedule = adaptive");
  EXPECT_EQ(of(needs<recovery::Snapshots>({}, "snapshot_every")), "snapshots = true");
  EXPECT_EQ(of(needs<recovery::Snapshots>({true}, "snapshot_every")), "");
}

TEST(HindranceAware, HoldsTheScheduleBackAndNeverRaisesIt) {
  using Policy = schedule::HindranceAware<schedule::Warmup<schedule::Cosine>>;
  for (const bool hold : {false, true}) {
    const Policy::Options o{hold, {.warmup_steps = 20, .after = {200, 0}}};
    Policy::Memory m;
    std::mt19937 random(1);
    for (std::int64_t t = 0; t < 250; ++t) {
      const Verdict v{.hindered = t == 5 || random() % 3 == 0};
      Policy::advance(o, {}, v, m);
      const double user = Policy::factor(o, t);
      EXPECT_LE(Policy::factor(o, t, m), user);
      if (!hold) {
        EXPECT_EQ(Policy::factor(o, t, m), user);
      }
      if (hold && t > 5 && t < 20) {
        EXPECT_LT(Policy::factor(o, t, m), user);
      }
    }
    EXPECT_EQ(m.held > 0, hold);
  }
}

TEST(Choices, AreCheckedByName) {
  momentum::Choice::Options o;
  agmohd::check<momentum::Choice>(o);
  o.momentum_schedule = momentum::Mode(7);
  try {
    agmohd::check<momentum::Choice>(o);
    FAIL();
  } catch (const std::invalid_argument& error) {
    EXPECT_STREQ(error.what(),
                 "momentum_schedule = 7, but it must be adaptive (0), fixed (1) or nesterov (2)");
  }
  agmohd::check<schedule::Choice>({});
  EXPECT_THROW(agmohd::check<schedule::Choice>({.lr_schedule = schedule::Shape::cosine}),
               std::invalid_argument);
}

// ---- Impossible moments

struct AdamElement {
  rule::Adam::Options o;
  rule::Adam::Memory memory{};
  rule::Adam::Guard::Memory guard{};
  rule::Adam::Slots<float> slots{};
  rule::Adam::Guard::Coefficients<float> k{};
  std::int64_t steps = 0;
  bool bf16 = false;  // how the state is stored

  /// Whether the guard changed something.
  bool step(float g, double beta1) {
    const double slack = bf16 ? 1.1 : kSlack;
    const Now now{++steps, 1, {beta1, 0}};
    const auto rule = rule::Adam::at<float>(o, now, memory);
    k = rule::Adam::Guard::at<float>(o, now, slack, memory, guard);
    rule::Adam::update(0.0F, g, slots, rule);
    const auto before = slots;
    const bool guarded = rule::Adam::Guard::apply(slots, rule, k);
    EXPECT_EQ(guarded, !same_bytes(before, slots));
    if (!o.amsgrad) slots.max_exp_avg_sq = 0;  // it is not stored
    if (bf16) {
      slots.exp_avg = Bf16::widen(Bf16::narrow(slots.exp_avg));
      slots.exp_avg_sq = Bf16::widen(Bf16::narrow(slots.exp_avg_sq));
    }
    return guarded;
  }
  /// |m^| / (sqrt(v^) + floor) over B_t.
  double excess() const {
    const double c1 = 1 - memory.beta1_product, c2 = 1 - memory.beta2_product;
    const double m = std::abs(double(slots.exp_avg)) / c1;
    const double v = std::sqrt(double(slots.exp_avg_sq) / c2) + std::max(o.eps, 1e-18);
    return m / v / (std::sqrt(guard.bound2 * c2) / c1);
  }
};

TEST(ImpossibleMoment, NeverFiresOnASoundStateAndAlwaysBoundsACorruptOne) {
  std::mt19937_64 random(1);
  std::normal_distribution<double> normal;
  int attained = 0;
  for (const double b1 : {0.0, 0.5, 0.9, 0.95, 0.99, 0.999}) {
    for (const double b2 : {0.0, 0.1, 0.5, 0.81, 0.9, 0.95, 0.99, 0.999, 0.9999}) {
      for (const bool bf16 : {false, true}) {
        for (int history = 0; history < 24; ++history) {
          const double eps = history < 12 ? 0 : 1e-8;
          AdamElement x{.o = {.betas = {b1, b2}, .eps = eps}, .bf16 = bf16};
          const int kind = history % 12;
          const double growth = b2 > 0 && b1 > 0 ? b1 / b2 : 1;  // attains the bound
          for (int t = 0; t < 200; ++t) {
            double g = normal(random);
            if (kind == 1) g = t == 3 ? 1 : 0;
            if (kind == 2) g *= 1e-30;
            if (kind == 3) g = 1e-19 * (t % 2 == 0 ? 1 : -1);
            if (kind == 4) g = t % 2 == 0 ? 1 : -1;
            if (kind == 5) g *= t % 50 == 49 ? 1e12 : 1e-6;
            if (kind == 6) g = 1e-12 * std::pow(growth, std::min(t, 60));
            if (kind == 7) g = std::pow(10.0, 8 * normal(random) - 10);
            if (kind == 8) g = t < 100 ? 1 : 0;
            if (kind == 9) g = std::pow(0.5, t);
            if (kind == 10) g = 1e-20 * std::pow(1.5, t);
            if (kind == 11) g = t == 0 ? 1e-18 : 1e-22 * normal(random);
            g = std::clamp(g, -1e18, 1e18);
            const double beta1 = kind == 0 && t % 3 == 0 ? 0.5 * b1 : b1;  // as Adaptive may
            ASSERT_FALSE(x.step(float(g), beta1))
                << b1 << " " << b2 << " " << bf16 << " history " << history << " step " << t;
            attained += x.excess() > 0.98 ? 1 : 0;
          }
          if (b2 == 0 || !std::isfinite(x.k.bound)) continue;
          const AdamElement sound = x;
          for (const float corrupt : {1e30F, -1e30F, 3e38F, -1e5F}) {
            x = sound;
            x.slots.exp_avg = corrupt;
            const bool guarded = x.step(0, b1);
            EXPECT_LE(x.excess(), (bf16 ? 1.11 : 1.0101));
            if (b1 > 0 && x.slots.exp_avg_sq < 1 && x.k.bound < 1e3) {
              EXPECT_TRUE(guarded);
            }
          }
          for (const float corrupt : {0.0F, -0.5F}) {
            x = sound;
            x.slots.exp_avg_sq = corrupt;
            x.step(0, b1);
            x.slots.exp_avg_sq = std::max(x.slots.exp_avg_sq, 0.0F);
            EXPECT_LE(x.excess(), (bf16 ? 1.11 : 1.0101));
          }
        }
      }
    }
  }
  EXPECT_GT(attained, 1000);  // otherwise the test says nothing about the bound
}

TEST(ImpossibleMoment, HealsWhatIsNotANumber) {
  for (const bool amsgrad : {false, true}) {
    for (float rule::Adam::Slots<float>::*const moment :
         {&rule::Adam::Slots<float>::exp_avg, &rule::Adam::Slots<float>::exp_avg_sq}) {
      AdamElement x{.o = {.amsgrad = amsgrad}};
      for (int t = 0; t < 100; ++t) ASSERT_FALSE(x.step(t % 3 == 0 ? 1.0F : -0.2F, 0.9));
      x.slots.*moment = std::numeric_limits<float>::quiet_NaN();
      EXPECT_TRUE(x.step(0.3F, 0.9));
      EXPECT_EQ(x.slots.exp_avg, 0);
      EXPECT_EQ(x.slots.exp_avg_sq, 0);
      for (int t = 0; t < 100; ++t) EXPECT_FALSE(x.step(0.3F, 0.9)) << t;
      EXPECT_GT(x.slots.exp_avg, 0.29F);
    }
  }
}

TEST(ImpossibleMoment, TheBoundIsRestoredFromTheAge) {
  for (const double b1 : {0.0, 0.5, 0.9, 0.95, 0.999}) {
    for (const double b2 : {0.0, 0.25, 0.5, 0.81, 0.9, 0.95, 0.999}) {
      rule::Adam::Options o{.betas = {b1, b2}};
      rule::Adam::Guard::Memory m;
      EXPECT_EQ(rule::Adam::Guard::restore(o, 0).bound2, 0);
      for (std::int64_t step = 1; step < 2000; ++step) {
        rule::Adam::Guard::at<double>(o, {step, 1, {b1, 0}}, kSlack, {}, m);
        const double restored = rule::Adam::Guard::restore(o, step).bound2;
        if (restored < 1e300) {
          ASSERT_NEAR(restored / m.bound2, 1, 1e-11) << b1 << " " << b2 << " " << step;
        }
      }
    }
  }
}

TEST(ImpossibleMoment, CostsNothingWhereNobodyWantsIt) {
  using Guarded = Recipe<rule::AdamW, hindrance::ImpossibleMoment>;
  using Plain = Recipe<rule::AdamW>;
  using Clipped = Recipe<rule::AdamW, gradient::ClipByNorm>;
  using SGD = Recipe<rule::SGD, hindrance::ImpossibleMoment>;
  static_assert(Guarded::guards && !Plain::guards && !Clipped::guards && !SGD::guards);
  static_assert(sizeof(Plain::Coefficients<float>) + 12 == sizeof(Guarded::Coefficients<float>));
  static_assert(sizeof(Plain::Coefficients<double>) + 24 == sizeof(Guarded::Coefficients<double>));
  static_assert(sizeof(Plain::PerTensor) + 8 == sizeof(Guarded::PerTensor));
  static_assert(sizeof(Plain::PerTensor) == 32 && sizeof(Clipped::PerTensor) == 32);
}

TEST(ImpossibleMoment, IsCountedInMeasuringSweepsAlone) {
  using R = Recipe<rule::AdamW, hindrance::ImpossibleMoment>;
  using None = Recipe<rule::AdamW>;
  static_assert(R::measures_sweep && !None::measures_sweep && !has::guard<rule::SGD>);
  Driven<R> run;
  run.step({});
  R::Slots<double> a{1e10, 0, 0}, b{1e10, 0, 0}, c{0, 0, 0};
  R::SweepValues<double> w;
  R::sweep(1.0, 0.5, a, run.k, {}, w);
  EXPECT_TRUE(w.doubted && w.guarded);
  EXPECT_LE(std::abs(run.k.lr * w.update), 1.02e-3);
  R::sweep(1.0, 0.5, b, run.k, {});
  EXPECT_GT(b.exp_avg, 1e9);
  R::sweep(1.0, 0.5, c, run.k, {}, w);
  EXPECT_FALSE(w.doubted && w.guarded);
  EXPECT_EQ(run.step({.guarded = 1}).flags, Flag::impossible_moment);
  EXPECT_EQ(run.step({}).flags, 0U);
}

TEST(MeasuringSweep, MeasuresTheUpdate) {
  using R = Recipe<rule::SGD, Detector, gradient::Choice>;
  Driven<R> run(0.1);
  run.group.rule.momentum = 0.5;
  run.step({});
  R::Slots<double> s{};
  R::SweepValues<double> w;
  EXPECT_DOUBLE_EQ(R::sweep(1.0, 2.0, s, run.k, {}, w), 0.8);
  EXPECT_DOUBLE_EQ(w.update, 2);
  EXPECT_EQ(w.along_previous, 0);
  EXPECT_EQ(w.along, 4);
  run.step({});
  R::sweep(0.8, -1.0, s, run.k, {}, w);
  EXPECT_EQ(w.along_previous, -2);  // against the update of before
  EXPECT_EQ(w.along, 0);
}

}  // namespace
