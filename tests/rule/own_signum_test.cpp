// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

#include <vector>

#include "../../examples/own_policies/own_policies.hpp"
#include "../contract/rule.hpp"

template <>
struct contract::Sample<own::Signum> {
  static std::vector<own::Signum::Options> options() { return {{}, {.beta = 0}, {.beta = 0.5}}; }
  static double first(const own::Signum::Options&, double lr, double p, double g) {
    return p - lr * (g > 0 ? 1 : -1);
  }
};

INSTANTIATE_TYPED_TEST_SUITE_P(Signum, RuleContract, own::Signum);
