// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

#include <agmohd/rule/simplified_ademamix.hpp>
#include <cmath>
#include <vector>

#include "../contract/rule.hpp"

using namespace agmohd;

template <>
struct contract::Sample<rule::SimplifiedAdEMAMix> {
  static constexpr const char* golden = "simplifiedademamix";
  static constexpr double lr = 1e-4;
  static std::vector<rule::SimplifiedAdEMAMix::Options> options() {
    return {{},
            {.betas = {0.95, 0.99}, .alpha = 10, .eps = 1e-3, .weight_decay = 0.1},
            {.alpha = 2, .beta1_warmup = 100, .min_beta1 = 0.8, .maximize = true}};
  }
  static double first(const rule::SimplifiedAdEMAMix::Options& o, double lr, double p, double g) {
    const double h = o.maximize ? -g : g;
    return p * (1 - lr * o.weight_decay) - lr * (1 + o.alpha) * h / (std::fabs(h) + o.eps);
  }
};

INSTANTIATE_TYPED_TEST_SUITE_P(SimplifiedAdEMAMix, RuleContract, rule::SimplifiedAdEMAMix);

TEST(SimplifiedAdEMAMix, MomentumIsASum) {
  using Recipe = agmohd::Recipe<rule::SimplifiedAdEMAMix>;
  const rule::SimplifiedAdEMAMix::Options options{.betas = {0.5, 0}, .alpha = 3, .eps = 0};
  const auto end = contract::drive<Recipe, double>({1, options}, {0}, {{1}, {4}});
  EXPECT_EQ(end[1], 0.5 * 1 + 4);
  EXPECT_NEAR(end[0], -(1.0 + 3 * 1) / 1 - (4.5 + 3 * 4) / 4, 1e-15);
}

TEST(SimplifiedAdEMAMix, MomentumRemembersLinearlyMoreInTheWarmup) {
  using Rule = rule::SimplifiedAdEMAMix;
  const Rule::Options options{.betas = {0.99, 0.95}, .beta1_warmup = 40, .min_beta1 = 0.9};
  for (std::int64_t t = 1; t <= 60; ++t) {
    Rule::Memory memory{};
    const double part = t < 40 ? double(t) / 40 : 1;
    const double steps = (1 - part) / std::log(0.9) + part / std::log(0.99);
    EXPECT_NEAR(Rule::at<double>(options, {t, 1e-4, {0.99, 0}}, memory).gain1,
                -std::expm1(1 / steps), 1e-14);
  }
}

TEST(SimplifiedAdEMAMix, SaysThatMinBeta1NeedsAWarmup) {
  EXPECT_STREQ(rule::SimplifiedAdEMAMix::needs({}, "min_beta1"), "beta1_warmup above 0");
  EXPECT_EQ(rule::SimplifiedAdEMAMix::needs({.beta1_warmup = 1}, "min_beta1"), nullptr);
}
