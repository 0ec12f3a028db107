// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// What follows from a verdict: momentum, clipping, rollbacks, a schedule that waits.

#include <gtest/gtest.h>

#include <agmohd/recipes.hpp>
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <random>

#include "runs.hpp"

namespace {

using namespace testing_detection;

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

}  // namespace
