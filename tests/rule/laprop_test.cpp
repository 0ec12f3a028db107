// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

#include <agmohd/rule/laprop.hpp>
#include <vector>

#include "../contract/rule.hpp"
#include "first_step.hpp"

using namespace agmohd;

template <>
struct contract::Sample<rule::LaProp> {
  static constexpr const char* golden = "laprop";
  static std::vector<rule::LaProp::Options> options() {
    return {{},
            {.betas = {0.8, 0.5}, .eps = 1e-3, .weight_decay = 0.1},
            {.betas = {0.0, 0.9}, .maximize = true}};
  }
  static double first(const rule::LaProp::Options& o, double lr, double p, double g) {
    return (1 - lr * o.weight_decay) * (p - lr * adam_direction(o.maximize ? -g : g, o.eps));
  }
};

INSTANTIATE_TYPED_TEST_SUITE_P(LaProp, RuleContract, rule::LaProp);

TEST(LaProp, IsAMeanOfSignsWithoutSecondMoment) {
  const auto end = contract::drive<Recipe<rule::LaProp>, double>(
      {0.1, {.betas = {0.9, 0.0}, .eps = 0}}, {0}, {{1}, {-1000}});
  EXPECT_NEAR(end[0], -0.1 * (1 + (0.9 * 0.1 - 0.1) / 0.19), 1e-15);  // Adam would be far off
}
