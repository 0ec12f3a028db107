// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

#include <vector>

#include "../contract/rule.hpp"

using namespace agmohd;

template <>
struct contract::Sample<rule::SGD> {
  static constexpr const char* golden = "sgd";
  static std::vector<rule::SGD::Options> options() {
    return {{},
            {.momentum = 0.9},
            {.momentum = 0.8, .dampening = 0.5, .weight_decay = 0.1},
            {.momentum = 0.9, .weight_decay = 0.01, .nesterov = true},
            {.weight_decay = 0.1, .maximize = true}};
  }
  static double first(const rule::SGD::Options& o, double lr, double p, double g) {
    const double h = (o.maximize ? -g : g) + o.weight_decay * p;
    return p - lr * (o.nesterov ? h + o.momentum * h : h);
  }
};

INSTANTIATE_TYPED_TEST_SUITE_P(SGD, RuleContract, rule::SGD);
