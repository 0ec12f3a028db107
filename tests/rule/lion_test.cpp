// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

#include <agmohd/rule/lion.hpp>
#include <cmath>
#include <vector>

#include "../contract/rule.hpp"

using namespace agmohd;

template <>
struct contract::Sample<rule::Lion> {
  static constexpr const char* golden = "lion";
  static std::vector<rule::Lion::Options> options() {
    return {
        {}, {.betas = {0.8, 0.95}, .weight_decay = 0.1}, {.betas = {0.0, 0.5}, .maximize = true}};
  }
  static double first(const rule::Lion::Options& o, double lr, double p, double g) {
    const double u = (g > 0) == o.maximize ? -1 : 1;
    return p * (1 - lr * o.weight_decay) - lr * u;
  }
};

INSTANTIATE_TYPED_TEST_SUITE_P(Lion, RuleContract, rule::Lion);
