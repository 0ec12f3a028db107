// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// Fields of options: their bounds, and what is said of a wrong one.

#include <gtest/gtest.h>

#include <agmohd/policy/check.hpp>
#include <agmohd/recipes.hpp>
#include <cmath>
#include <cstdint>
#include <stdexcept>
#include <string>

#include "../elements.hpp"

namespace {

using namespace testing_unit;

template <class Policy>
std::string complaint(const typename Policy::Options& options) {
  try {
    check<Policy>(options);
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return "none";
}

TEST(Bounds, ContainWhatTheySay) {
  EXPECT_TRUE(in(0, 1).contain(0) && !in(0, 1).contain(1) && !in(0, 1).contain(-1e-300));
  EXPECT_TRUE(between(0, 1).contain(0) && between(0, 1).contain(1) && !between(0, 1).contain(1.5));
  EXPECT_TRUE(at_least(2).contain(2) && at_least(2).contain(1e300) && !at_least(2).contain(1.9));
  EXPECT_TRUE(!above(0).contain(0) && above(0).contain(1e-320));
  EXPECT_TRUE(any().contain(-1e308) && any().contain(1e308));
  for (const Bounds& b : {in(0, 1), between(0, 1), at_least(0), above(0), any()}) {
    EXPECT_FALSE(b.contain(std::nan("")) && std::isfinite(b.low));
  }
}

TEST(Check, NamesTheFieldTheValueAndWhatIsAllowed) {
  EXPECT_EQ(complaint<rule::Adam>({.betas = {0.9, 1}}), "betas[1] = 1, but it must be in [0, 1)");
  EXPECT_EQ(complaint<rule::Adam>({.betas = {-0.5, 0.9}}),
            "betas[0] = -0.5, but it must be in [0, 1)");
  EXPECT_EQ(complaint<rule::Adam>({.eps = -1}), "eps = -1, but it must be finite and at least 0");
  EXPECT_EQ(complaint<rule::SGD>({.dampening = double(kInf)}),
            "dampening = inf, but it must be finite");
  EXPECT_EQ(complaint<gradient::ClipByNorm>({.max_norm = 0}),
            "max_norm = 0, but it must be finite and greater than 0");
  EXPECT_EQ(complaint<schedule::Cosine>({.total_steps = -3}),
            "total_steps = -3, but it must be finite and at least 1");
  EXPECT_EQ(
      complaint<schedule::Cosine>({}),
      "total_steps = 0, but it must be finite and at least 1: it must be given (0 = not given)");
  EXPECT_EQ(
      complaint<schedule::Warmup<schedule::Linear>>({}),
      "total_steps = 0, but it must be finite and at least 1: it must be given (0 = not given)");
  EXPECT_EQ(complaint<schedule::Choice>({.lr_schedule = schedule::Shape::cosine}),
            "lr_schedule = cosine with total_steps = 0, but it needs a total_steps of at least 1: "
            "it must be given (0 = not given)");
  EXPECT_EQ(complaint<schedule::Cosine>({.total_steps = 5, .min_factor = 1.25}),
            "min_factor = 1.25, but it must be in [0, 1]");
  EXPECT_EQ(complaint<rule::Adam>({}), "none");
}

TEST(Check, ReachesThePoliciesInsideAPolicy) {
  using Warm = schedule::Warmup<schedule::Cosine>;
  using Transforms = gradient::Chain<gradient::ClipByValue, gradient::ClipByNorm>;
  EXPECT_EQ(complaint<Warm>({.warmup_steps = 1, .after = {.total_steps = 9, .min_factor = -1}}),
            "min_factor = -1, but it must be in [0, 1]");
  EXPECT_EQ(complaint<Transforms>({{1}, {{-2}, {}}}),
            "max_norm = -2, but it must be finite and greater than 0");
  EXPECT_EQ(
      complaint<schedule::Warmup<Warm>>(
          {.warmup_steps = 1, .after = {.warmup_steps = 9, .after = {.total_steps = 9}}}),
      "warmup_steps = 9, but it must be less than total_steps = 9, which includes the warm-up");
}

TEST(Check, RefusesNesterovWithoutMomentum) {
  EXPECT_NE(complaint<rule::SGD>({.nesterov = true}).find("nesterov = true"), std::string::npos);
  EXPECT_NE(complaint<rule::SGD>({.momentum = 0.9, .dampening = 0.1, .nesterov = true})
                .find("dampening = 0.1"),
            std::string::npos);
  EXPECT_EQ(complaint<rule::SGD>({.momentum = 0.9, .nesterov = true}), "none");
}

TEST(Check, WarmupMustLeaveStepsOfTheTotal) {
  using Warm = schedule::Warmup<schedule::Linear>;
  for (const std::int64_t warmup : {10, 11, 1000}) {
    EXPECT_EQ(complaint<Warm>({.warmup_steps = warmup, .after = {.total_steps = 10}}),
              "warmup_steps = " + std::to_string(warmup) +
                  ", but it must be less than total_steps = 10, which includes the warm-up");
  }
  EXPECT_EQ(complaint<Warm>({.warmup_steps = 9, .after = {.total_steps = 10}}), "none");
  EXPECT_EQ(complaint<schedule::Warmup<>>({.warmup_steps = 1'000'000}), "none");
}

TEST(Same, ComparesEveryField) {
  const rule::AdamW::Options base;
  EXPECT_TRUE(same<rule::AdamW>(base, base));
  EXPECT_FALSE(same<rule::AdamW>(base, {.betas = {0.9, 0.99}}));
  EXPECT_FALSE(same<rule::AdamW>(base, {.eps = 1e-7}));
  EXPECT_FALSE(same<rule::AdamW>(base, {.weight_decay = 0}));
  EXPECT_FALSE(same<rule::AdamW>(base, {.amsgrad = true}));
  EXPECT_FALSE(same<rule::AdamW>(base, {.maximize = true}));
}

}  // namespace
