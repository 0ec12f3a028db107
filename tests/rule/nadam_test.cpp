// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

#include <agmohd/rule/nadam.hpp>
#include <cmath>
#include <vector>

#include "../contract/rule.hpp"
#include "first_step.hpp"

using namespace agmohd;

template <>
struct contract::Sample<rule::NAdam> {
  static constexpr const char* golden = "nadam";
  static std::vector<rule::NAdam::Options> options() {
    return {{},
            {.betas = {0.8, 0.99}, .eps = 1e-3, .weight_decay = 0.1, .momentum_decay = 0.5},
            {.betas = {0.0, 0.9},
             .weight_decay = 0.1,
             .momentum_decay = 0,
             .decoupled_weight_decay = true,
             .maximize = true}};
  }
  static double first(const rule::NAdam::Options& o, double lr, double p, double g) {
    const double b1 = o.betas.first;
    const double mu1 = b1 * (1 - 0.5 * std::pow(0.96, o.momentum_decay));
    const double mu2 = b1 * (1 - 0.5 * std::pow(0.96, 2 * o.momentum_decay));
    const double decay = o.decoupled_weight_decay ? 0 : o.weight_decay;
    const double h = (o.maximize ? -g : g) + decay * p;
    const double weight = mu2 * (1 - b1) / (1 - mu1 * mu2) + 1;  // of m and of g
    return p * (1 - lr * (o.weight_decay - decay)) - lr * weight * adam_direction(h, o.eps);
  }
};

INSTANTIATE_TYPED_TEST_SUITE_P(NAdam, RuleContract, rule::NAdam);

TEST(NAdam, RestoresAfterAnyNumberOfSteps) {
  const auto memory = rule::NAdam::restore({}, std::int64_t(1) << 60);
  EXPECT_LE(memory.mu_product, 1e-300);
  EXPECT_EQ(memory.beta2_product, 0);
}

TEST(NAdam, LooksAheadByItself) {
  for (const double look : {0.0, 1.0}) {
    rule::NAdam::Memory memory{};
    const auto k = rule::NAdam::at<double>({.momentum_decay = 0}, {1, 0.1, {0.8, look}}, memory);
    EXPECT_DOUBLE_EQ(k.mix_moment, 0.4 / (1 - 0.4 * 0.4));
    EXPECT_DOUBLE_EQ(k.mix_gradient, 1);
  }
}
