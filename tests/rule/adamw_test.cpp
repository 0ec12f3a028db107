// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

#include <vector>

#include "../contract/rule.hpp"
#include "first_step.hpp"

using namespace agmohd;

template <>
struct contract::Sample<rule::AdamW> {
  static constexpr const char* golden = "adamw";
  static std::vector<rule::AdamW::Options> options() {
    return {{},
            {.betas = {0.8, 0.99}, .eps = 1e-6, .weight_decay = 0.3},
            {.betas = {0.0, 0.9}, .weight_decay = 0, .amsgrad = true},
            {.amsgrad = true, .maximize = true}};
  }
  static double first(const rule::AdamW::Options& o, double lr, double p, double g) {
    return p * (1 - lr * o.weight_decay) - lr * adam_direction(o.maximize ? -g : g, o.eps);
  }
};

INSTANTIATE_TYPED_TEST_SUITE_P(AdamW, RuleContract, rule::AdamW);
