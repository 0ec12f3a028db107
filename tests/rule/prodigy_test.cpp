// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

#include <agmohd/rule/prodigy.hpp>
#include <vector>

#include "../contract/rule.hpp"

using namespace agmohd;

template <>
struct contract::Sample<rule::Prodigy> {
  static constexpr const char* golden = "prodigy";
  static constexpr double lr = 1;
  static std::vector<rule::Prodigy::Options> options() {
    return {{},
            {.betas = {0, 0.99},
             .beta3 = 0.95,
             .weight_decay = 0.01,
             .use_bias_correction = true,
             .d0 = 1e-3,
             .growth_rate = 1.5},
            {.weight_decay = 0.01,
             .decouple = false,
             .safeguard_warmup = true,
             .d0 = 1e-4,
             .d_coef = 0.5,
             .maximize = true}};
  }
};

INSTANTIATE_TYPED_TEST_SUITE_P(Prodigy, RuleContract, rule::Prodigy);
