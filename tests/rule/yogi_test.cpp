// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

#include <agmohd/rule/yogi.hpp>
#include <cmath>
#include <vector>

#include "../contract/rule.hpp"

using namespace agmohd;

template <>
struct contract::Sample<rule::Yogi> {
  static constexpr const char* golden = "yogi";
  static std::vector<rule::Yogi::Options> options() {
    return {{},
            {.betas = {0.8, 0.99}, .initial_accumulator_value = 0.1, .weight_decay = 0.1},
            {.betas = {0.0, 0.9}, .eps = 1e-6, .maximize = true}};
  }
  static double first(const rule::Yogi::Options& o, double lr, double p, double g) {
    const double h = o.maximize ? -g : g, b1 = o.betas.first, gain2 = 1 - o.betas.second;
    const double begin = o.initial_accumulator_value;
    const double v = begin + (h * h > begin ? 1 : -1) * gain2 * h * h;
    const double u = (begin * b1 / (1 - b1) + h) / (std::sqrt(v / gain2) + o.eps);
    return p * (1 - lr * o.weight_decay) - lr * u;
  }
};

INSTANTIATE_TYPED_TEST_SUITE_P(Yogi, RuleContract, rule::Yogi);

TEST(Yogi, ForgetsNoFasterThanTheGradientsAreSmall) {
  std::vector<std::vector<double>> gradients(1000, {0.01});
  gradients[0] = {1};
  const auto end = contract::drive<Recipe<rule::Yogi>, double>({1e-3, {}}, {0}, gradients);
  EXPECT_NEAR(end[2], 1e-6 + 1e-3 - 999 * 1e-3 * 1e-4, 1e-12);  // Adam's would be at 0.4 of it
}
