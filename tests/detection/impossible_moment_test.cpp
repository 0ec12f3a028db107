// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// Impossible moments, and what a measuring sweep sees.

#include <gtest/gtest.h>

#include <agmohd/recipes.hpp>
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>

#include "runs.hpp"

namespace {

using namespace testing_detection;

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
