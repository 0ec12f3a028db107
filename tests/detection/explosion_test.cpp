// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// Explosions are clipped and skipped.

#include <gtest/gtest.h>

#include <agmohd/recipes.hpp>
#include <cmath>

#include "runs.hpp"

namespace {

using namespace testing_detection;

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

}  // namespace
