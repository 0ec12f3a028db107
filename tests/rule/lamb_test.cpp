// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

#include <agmohd/rule/lamb.hpp>
#include <cmath>
#include <vector>

#include "../contract/rule.hpp"

using namespace agmohd;

template <>
struct contract::Sample<rule::LAMB> {
  static constexpr const char* golden = "lamb";
  static std::vector<rule::LAMB::Options> options() {
    return {{},
            {.betas = {0.8, 0.99}, .eps = 1e-3, .weight_decay = 0.1},
            {.weight_decay = 0.01, .bias_correction = false, .trust_clip = true, .maximize = true}};
  }
};

INSTANTIATE_TYPED_TEST_SUITE_P(LAMB, RuleContract, rule::LAMB);
