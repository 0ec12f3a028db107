// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

#include <agmohd/rule/signum.hpp>
#include <vector>

#include "../contract/rule.hpp"

using namespace agmohd;

template <>
struct contract::Sample<rule::Signum> {
  static constexpr const char* golden = "signum";
  static std::vector<rule::Signum::Options> options() {
    return {{}, {.momentum = 0.5, .weight_decay = 0.1}, {.momentum = 0, .maximize = true}};
  }
  static double first(const rule::Signum::Options& o, double lr, double p, double g) {
    const double u = (g > 0) == o.maximize ? -1 : 1;
    return p * (1 - lr * o.weight_decay) - lr * u;
  }
};

// own_signum_test.cpp has the prefix Signum.
INSTANTIATE_TYPED_TEST_SUITE_P(RuleSignum, RuleContract, rule::Signum);

TEST(Signum, GoesWithTheMajorityOfTheBufferNotWithTheLastGradient) {
  const auto end = contract::drive<Recipe<rule::Signum>, double>(
      {0.25, {.momentum = 0.75}}, {0, 0, 0}, {{4, 1, 0}, {-1, -4, 0}});
  EXPECT_EQ(end, (std::vector<double>{-0.5, 0, 0, 0.5, -0.8125, 0}));
}

TEST(Signum, HasNoBufferWithoutMomentum) {
  EXPECT_EQ(rule::Signum::slots({}), 1U);
  EXPECT_EQ(rule::Signum::slots({.momentum = 0}), 0U);
}
