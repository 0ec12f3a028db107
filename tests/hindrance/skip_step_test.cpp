// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

#include <vector>

#include "../contract/hindrance.hpp"

using namespace agmohd;

template <>
struct contract::Sample<hindrance::SkipStep> {
  static std::vector<hindrance::SkipStep::Options> options() {
    return {{}, {.sigma_factor = 2, .rolling_interval = 20}, {.repaired = false}};
  }
};

INSTANTIATE_TYPED_TEST_SUITE_P(SkipStep, HindranceContract, hindrance::SkipStep);
