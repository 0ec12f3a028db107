// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

#include <agmohd/rule/asgd.hpp>
#include <cmath>
#include <vector>

#include "../contract/rule.hpp"

using namespace agmohd;

template <>
struct contract::Sample<rule::ASGD> {
  static constexpr const char* golden = "asgd";
  static std::vector<rule::ASGD::Options> options() {
    return {{},
            {.lambd = 0.1, .alpha = 0.5, .t0 = 1.5, .weight_decay = 0.1},
            {.lambd = 0, .t0 = 5, .maximize = true}};
  }
  static double first(const rule::ASGD::Options& o, double lr, double p, double g) {
    return p * (1 - o.lambd * lr) - lr * ((o.maximize ? -g : g) + o.weight_decay * p);
  }
};

INSTANTIATE_TYPED_TEST_SUITE_P(ASGD, RuleContract, rule::ASGD);

TEST(ASGD, AveragesTheParameterAfterT0) {
  std::vector<std::vector<double>> gradients;
  double sum = 0;
  for (int step = 1; step <= 12; ++step) {
    gradients.push_back({std::sin(step)});
    const auto out = contract::drive<Recipe<rule::ASGD>, double>({0.1, {.t0 = 4}}, {1}, gradients);
    const double p = out[0], ax = out[1];
    if (step >= 6) sum += p;
    if (step <= 6) {
      EXPECT_EQ(ax, p) << step;
    } else {
      EXPECT_NEAR(ax, sum / (step - 5), 1e-15) << step;
    }
  }
}

TEST(ASGD, TheRateFalls) {
  const rule::ASGD::Options options{.lambd = 0.3, .alpha = 0.75};
  for (const std::int64_t step : {1, 2, 1000}) {
    EXPECT_NEAR(rule::ASGD::lr(options, {step, 0.1, {0, 0}}),
                0.1 / std::pow(1 + 0.3 * 0.1 * double(step - 1), 0.75), 1e-16);
  }
}
