// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

#include <agmohd/rule/mars.hpp>
#include <limits>
#include <vector>

#include "../contract/rule.hpp"

using namespace agmohd;

template <>
struct contract::Sample<rule::MARS> {
  static constexpr const char* golden = "mars";
  static std::vector<rule::MARS::Options> options() {
    return {{},
            {.betas = {0.8, 0.99}, .gamma = 0.2, .eps = 1e-3, .weight_decay = 0.1},
            {.betas = {0.0, 0.9}, .gamma = 1, .maximize = true}};
  }
};

INSTANTIATE_TYPED_TEST_SUITE_P(MARS, RuleContract, rule::MARS);

TEST(MARS, CorrectsByTheLastGradient) {
  const rule::MARS::Options options{.betas = {0.5, 0}, .gamma = 0.5, .eps = 0};
  const auto end = contract::drive<Recipe<rule::MARS>, double>({1, options}, {0}, {{0.1}, {0.3}});
  // c is 0.1, then 0.3 + 0.5 0.2; m / (1 - b1^t) is 0.1, then 0.225 / 0.75.
  EXPECT_NEAR(end[0], -1 - 0.3 / 0.4, 1e-14);
  EXPECT_NEAR(end[1], 0.225, 1e-15);
  EXPECT_EQ(end[3], 0.3);
}

TEST(MARS, ScalesTheTensorToANormOf1) {
  const rule::MARS::Options options{.betas = {0, 0}};
  const auto end = contract::drive<Recipe<rule::MARS>, double>({1, options}, {0, 0}, {{3, 4}});
  EXPECT_NEAR(end[2], 0.6, 1e-15);
  EXPECT_NEAR(end[3], 0.8, 1e-15);
  EXPECT_EQ(end[6], 3);  // the last gradient is not scaled
}

TEST(MARS, OneNaNSpoilsOnlyItself) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const auto end = contract::drive<Recipe<rule::MARS>, double>({1, {}}, {0, 0}, {{nan, 0.5}});
  EXPECT_NE(end[0], end[0]);
  EXPECT_NEAR(end[1], -1, 1e-7);
}
