// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

#include <agmohd/rule/novograd.hpp>
#include <cmath>
#include <vector>

#include "../contract/rule.hpp"

using namespace agmohd;

template <>
struct contract::Sample<rule::NovoGrad> {
  static constexpr const char* golden = "novograd";
  static std::vector<rule::NovoGrad::Options> options() {
    return {{},
            {.betas = {0.8, 0.5}, .eps = 1e-3, .weight_decay = 0.1},
            {.grad_averaging = true, .maximize = true}};
  }
};

INSTANTIATE_TYPED_TEST_SUITE_P(NovoGrad, RuleContract, rule::NovoGrad);
