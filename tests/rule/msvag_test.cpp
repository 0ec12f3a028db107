// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

#include <agmohd/rule/msvag.hpp>
#include <cmath>
#include <vector>

#include "../contract/rule.hpp"

using namespace agmohd;

template <>
struct contract::Sample<rule::MSVAG> {
  static constexpr const char* golden = "msvag";
  static std::vector<rule::MSVAG::Options> options() {
    return {{}, {.beta = 0.99, .weight_decay = 0.1}, {.beta = 0, .maximize = true}};
  }
  static constexpr double lr = 0.1;
  /// In the first step there is no noise to see.
  static double first(const rule::MSVAG::Options& o, double lr, double p, double g) {
    return p * (1 - lr * o.weight_decay) - lr * (o.maximize ? -g : g);
  }
};

INSTANTIATE_TYPED_TEST_SUITE_P(MSVAG, RuleContract, rule::MSVAG);

TEST(MSVAG, ShrinksWhatStandsInItsNoise) {
  const auto moved = [](double noise) {
    std::vector<std::vector<double>> gradients;
    for (int step = 0; step < 100; ++step)
      gradients.push_back({step % 2 == 0 ? 1 + noise : 1 - noise});
    return -contract::drive<Recipe<rule::MSVAG>, double>({1e-3, {}}, {0}, gradients)[0];
  };
  EXPECT_NEAR(moved(0), 0.1, 1e-9);
  EXPECT_LT(moved(10), 0.5 * moved(1));
}

TEST(MSVAG, TheVarianceIsThatOfTheMean) {
  // rho in closed form, after five steps.
  rule::MSVAG::Memory memory;
  const rule::MSVAG::Options o{.beta = 0.7};
  double noise = 0;
  for (int step = 1; step <= 5; ++step) {
    noise = rule::MSVAG::at<double>(o, {step, 1, {0.7, 0}}, memory).noise;
  }
  const double power = std::pow(0.7, 5), rho = 0.3 * (1 + power) / (1.7 * (1 - power));
  EXPECT_NEAR(noise, rho / (1 - rho), 1e-14);
}
