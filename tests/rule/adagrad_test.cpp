// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

#include <agmohd/rule/adagrad.hpp>
#include <cmath>
#include <vector>

#include "../contract/rule.hpp"

using namespace agmohd;

template <>
struct contract::Sample<rule::Adagrad> {
  static constexpr const char* golden = "adagrad";
  static std::vector<rule::Adagrad::Options> options() {
    return {{},
            {.lr_decay = 0.1, .weight_decay = 0.1, .initial_accumulator_value = 0.5},
            {.eps = 1e-3, .maximize = true}};
  }
  static constexpr double lr = 0.1;
  static double first(const rule::Adagrad::Options& o, double lr, double p, double g) {
    const double h = (o.maximize ? -g : g) + o.weight_decay * p;
    return p - lr * h / (std::sqrt(o.initial_accumulator_value + h * h) + o.eps);
  }
};

INSTANTIATE_TYPED_TEST_SUITE_P(Adagrad, RuleContract, rule::Adagrad);
