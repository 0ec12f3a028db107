// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

#include <agmohd/rule/mars_lion.hpp>
#include <vector>

#include "../contract/rule.hpp"

using namespace agmohd;

template <>
struct contract::Sample<rule::MARSLion> {
  static constexpr const char* golden = "marslion";
  static std::vector<rule::MARSLion::Options> options() {
    return {{}, {.beta1 = 0.8, .gamma = 0.2, .weight_decay = 0.1}, {.beta1 = 0, .maximize = true}};
  }
  static double first(const rule::MARSLion::Options& o, double lr, double p, double g) {
    const double u = (g > 0) == o.maximize ? -1 : 1;
    return p * (1 - lr * o.weight_decay) - lr * u;
  }
};

INSTANTIATE_TYPED_TEST_SUITE_P(MARSLion, RuleContract, rule::MARSLion);

TEST(MARSLion, TheCorrectionTurnsTheSignEarlier) {
  const auto momentum = [](double gamma) {
    const rule::MARSLion::Options options{.beta1 = 0.5, .gamma = gamma};
    return contract::drive<Recipe<rule::MARSLion>, double>({1, options}, {0}, {{0.2}, {-0.15}})[1];
  };
  EXPECT_NEAR(momentum(0), 0.5 * 0.1 - 0.5 * 0.15, 1e-16);
  EXPECT_NEAR(momentum(1), 0.5 * 0.1 + 0.5 * (-0.15 - 0.35), 1e-15);
}
