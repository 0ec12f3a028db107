// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

#include <vector>

#include "../contract/rule.hpp"
#include "first_step.hpp"

using namespace agmohd;

template <>
struct contract::Sample<rule::StableAdamW> {
  static std::vector<rule::StableAdamW::Options> options() {
    return {{},
            {.betas = {0.8, 0.999}, .eps = 1e-8, .weight_decay = 0.3},
            {.betas = {0.0, 0.9}, .weight_decay = 0, .maximize = true, .rms_repaired = false}};
  }
  static double first(const rule::StableAdamW::Options& o, double lr, double p, double g) {
    return p * (1 - lr * o.weight_decay) - lr * adam_direction(o.maximize ? -g : g, o.eps);
  }
};

INSTANTIATE_TYPED_TEST_SUITE_P(StableAdamW, RuleContract, rule::StableAdamW);
