// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// Recipes, and the options of their choices.

#include <gtest/gtest.h>

#include <agmohd/policy/check.hpp>
#include <agmohd/recipes.hpp>
#include <cmath>
#include <stdexcept>
#include <string>
#include <type_traits>

#include "runs.hpp"

namespace {

using namespace testing_detection;

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

}  // namespace
