// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

#include <agmohd/rule/adamc.hpp>
#include <vector>

#include "../contract/rule.hpp"
#include "first_step.hpp"

using namespace agmohd;

template <>
struct contract::Sample<rule::AdamC> {
  static constexpr const char* golden = "adamc";
  static std::vector<rule::AdamC::Options> options() {
    return {{},
            {.betas = {0.8, 0.99}, .eps = 1e-3, .weight_decay = 0.1, .max_lr = 0.02},
            {.weight_decay = 0.1, .amsgrad = true, .maximize = true}};
  }
  static double first(const rule::AdamC::Options& o, double lr, double p, double g) {
    const double part = o.max_lr > 0 ? lr / o.max_lr : 1;
    return p * (1 - lr * part * o.weight_decay) - lr * adam_direction(o.maximize ? -g : g, o.eps);
  }
};

INSTANTIATE_TYPED_TEST_SUITE_P(AdamC, RuleContract, rule::AdamC);

TEST(AdamC, IsAdamWAtTheLargestLearningRate) {
  const rule::AdamW::Options adamw{.weight_decay = 0.5};
  for (const double max_lr : {0.0, 0.01}) {
    const rule::AdamC::Options adamc{.weight_decay = 0.5, .max_lr = max_lr};
    const std::vector<std::vector<double>> gradients{{1, -2}, {0.5, 3}};
    const auto a = contract::drive<Recipe<rule::AdamC>, double>({0.01, adamc}, {1, 2}, gradients);
    const auto b = contract::drive<Recipe<rule::AdamW>, double>({0.01, adamw}, {1, 2}, gradients);
    EXPECT_TRUE(a == b);
  }
}

TEST(AdamC, DecaysBySquaredLearningRates) {
  const rule::AdamC::Options options{.weight_decay = 0.5, .max_lr = 0.1};
  EXPECT_NEAR(rule::AdamC::decay(options, 0.05), 1 - 0.05 * 0.05 / 0.1 * 0.5, 1e-16);
}

TEST(AdamC, SaysThatMaxLrNeedsADecay) {
  EXPECT_STREQ(rule::AdamC::needs({}, "max_lr"), "weight_decay above 0");
  EXPECT_EQ(rule::AdamC::needs({.weight_decay = 0.1}, "max_lr"), nullptr);
}
