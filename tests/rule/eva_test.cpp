// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

#include <agmohd/rule/eva.hpp>
#include <cmath>
#include <limits>
#include <vector>

#include "../contract/rule.hpp"

using namespace agmohd;

template <>
struct contract::Sample<rule::EVA> {
  static constexpr const char* golden = "eva";
  static std::vector<rule::EVA::Options> options() {
    return {{},
            {.betas = {0.8, 0.999}, .eps = 1e-3, .weight_decay = 0.1, .adaptation_strength = 5},
            {.betas = {0.0, 0.9}, .weight_decay = 0, .adaptation_strength = 0, .maximize = true}};
  }
};

INSTANTIATE_TYPED_TEST_SUITE_P(EVA, RuleContract, rule::EVA);

namespace {

/// The rate's factor for a tensor with these gradients.
double eva_factor(const rule::EVA::Options& o, const std::vector<double>& gradients) {
  Now now{1, 1.0, {0.9, 0}};
  now.numel = std::int64_t(gradients.size());
  for (const double g : gradients) {
    now.norm2 += g * g;
    now.mean += g / double(gradients.size());
  }
  return rule::EVA::lr(o, now);
}

TEST(EVA, FactorFallsWithTheVarianceToATenth) {
  const rule::EVA::Options o{.eps = 0};
  EXPECT_EQ(eva_factor(o, {3, 3, 3, 3}), 1);
  EXPECT_EQ(eva_factor(o, {0.1}), 1);
  EXPECT_EQ(eva_factor(o, {1, 3}), 0.5);
  EXPECT_EQ(eva_factor(o, {100, -100}), 0.1);
  EXPECT_EQ(eva_factor(o, {}), 1);
  EXPECT_EQ(eva_factor({.eps = 1, .adaptation_strength = 3}, {0, 0}), 0.25);
}

TEST(EVA, NonfiniteGradientLeavesATenthOfTheRate) {
  const double inf = std::numeric_limits<double>::infinity();
  for (const double bad : {inf, -inf, inf - inf}) {
    EXPECT_EQ(eva_factor({}, {bad, 1}), 0.1) << bad;
    EXPECT_EQ(eva_factor({}, {bad}), 0.1) << bad;
  }
}

}  // namespace
