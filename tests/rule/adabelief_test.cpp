// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

#include <agmohd/rule/adabelief.hpp>
#include <cmath>
#include <vector>

#include "../contract/rule.hpp"

using namespace agmohd;

template <>
struct contract::Sample<rule::AdaBelief> {
  static constexpr const char* golden = "adabelief";
  static std::vector<rule::AdaBelief::Options> options() {
    return {{},
            {.betas = {0.8, 0.99}, .eps = 1e-8, .weight_decay = 0.1},
            {.betas = {0.5, 0.9}, .amsgrad = true},
            {.weight_decay = 0.01, .maximize = true}};
  }
  /// In the first step g - m is b1 g, and s / (1 - b2) is (b1 g)^2 + eps / (1 - b2).
  static double first(const rule::AdaBelief::Options& o, double lr, double p, double g) {
    const double h = o.maximize ? -g : g, error = o.betas.first * h;
    const double s = error * error + o.eps / (1 - o.betas.second);
    return p * (1 - lr * o.weight_decay) - lr * h / (std::sqrt(s) + o.eps);
  }
};

INSTANTIATE_TYPED_TEST_SUITE_P(AdaBelief, RuleContract, rule::AdaBelief);

TEST(AdaBelief, StepsFartherWhereGradientsAreAsPredicted) {
  const auto moved = [](double noise) {
    std::vector<std::vector<double>> gradients;
    for (int step = 0; step < 100; ++step)
      gradients.push_back({step % 2 == 0 ? 1 + noise : 1 - noise});
    return -contract::drive<Recipe<rule::AdaBelief>, double>({1e-3, {}}, {0}, gradients)[0];
  };
  EXPECT_GT(moved(0.1), 2 * moved(0.9));
}
