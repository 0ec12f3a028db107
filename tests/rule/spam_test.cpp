// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

#include <cmath>
#include <vector>

#include "../contract/rule.hpp"

using namespace agmohd;

template <>
struct contract::Sample<rule::SPAM> {
  static std::vector<rule::SPAM::Options> options() {
    return {{},
            {.betas = {0.8, 0.95}, .weight_decay = 0.1, .spike_threshold = 2, .reset_interval = 25},
            {.spike_threshold = 0, .reset_interval = 3, .reset_warmup = 2},
            {.reset_interval = 2, .reset_warmup = 0, .reset_correction = true},
            {.spike_threshold = 0.5, .reset_interval = 0, .spike_repaired = false}};
  }
  static double first(const rule::SPAM::Options& o, double lr, double p, double g) {
    const double root = std::sqrt(1 - o.betas.second);
    return p * (1 - lr * o.weight_decay) - lr * root * g / (root * std::fabs(g) + o.eps);
  }
};

INSTANTIATE_TYPED_TEST_SUITE_P(SPAM, RuleContract, rule::SPAM);
