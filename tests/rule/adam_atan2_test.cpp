// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

#include <agmohd/rule/adam_atan2.hpp>
#include <cmath>
#include <vector>

#include "../contract/rule.hpp"

using namespace agmohd;

template <>
struct contract::Sample<rule::AdamAtan2> {
  static constexpr const char* golden = "adamatan2";
  static std::vector<rule::AdamAtan2::Options> options() {
    return {{},
            {.betas = {0.8, 0.95}, .weight_decay = 0.1, .a = 2, .b = 3},
            {.betas = {0.0, 0.9}, .b = 0.25, .maximize = true}};
  }
  static double first(const rule::AdamAtan2::Options& o, double lr, double p, double g) {
    const double h = o.maximize ? -g : g;
    return p * (1 - lr * o.weight_decay) - lr * o.a * std::atan2(h, o.b * std::fabs(h));
  }
};

INSTANTIATE_TYPED_TEST_SUITE_P(AdamAtan2, RuleContract, rule::AdamAtan2);

TEST(AdamAtan2, StepsDoNotChangeWithTheScaleOfGradients) {
  using Recipe = agmohd::Recipe<rule::AdamAtan2>;
  const auto end = [](double scale) {
    return contract::drive<Recipe, double>({1, {}}, {0}, {{scale}, {-3 * scale}, {2 * scale}})[0];
  };
  EXPECT_EQ(end(1), end(0x1p-500));
  EXPECT_EQ(end(1), end(0x1p500));
}
