// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

#include <agmohd/rule/rmsprop.hpp>
#include <cmath>
#include <vector>

#include "../contract/rule.hpp"

using namespace agmohd;

template <>
struct contract::Sample<rule::RMSprop> {
  static constexpr const char* golden = "rmsprop";
  static std::vector<rule::RMSprop::Options> options() {
    return {{},
            {.alpha = 0.9, .eps = 1e-3, .weight_decay = 0.1},
            {.momentum = 0.8, .centered = true},
            {.weight_decay = 0.01, .centered = true, .maximize = true}};
  }
  static double first(const rule::RMSprop::Options& o, double lr, double p, double g) {
    const double h = (o.maximize ? -g : g) + o.weight_decay * p, gain = 1 - o.alpha;
    const double n = o.centered ? gain * h : 0;
    return p - lr * h / (std::sqrt(gain * h * h - n * n) + o.eps);
  }
};

INSTANTIATE_TYPED_TEST_SUITE_P(RMSprop, RuleContract, rule::RMSprop);
