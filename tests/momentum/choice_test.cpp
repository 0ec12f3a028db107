// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

#include <vector>

#include "../contract/momentum.hpp"

using namespace agmohd;

template <>
struct contract::Sample<momentum::Choice> {
  static std::vector<momentum::Choice::Options> options() {
    return {
        {}, {momentum::Mode::adaptive, {0.2}}, {momentum::Mode::fixed}, {momentum::Mode::nesterov}};
  }
};

INSTANTIATE_TYPED_TEST_SUITE_P(Choice, MomentumContract, momentum::Choice);
