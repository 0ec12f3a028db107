// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

#include <vector>

#include "../contract/momentum.hpp"

using namespace agmohd;

template <>
struct contract::Sample<momentum::Scheduled> {
  static std::vector<momentum::Scheduled::Options> options() {
    return {{},
            {momentum::Schedule::adaptive, {0.2}},
            {momentum::Schedule::fixed},
            {momentum::Schedule::nesterov}};
  }
};

INSTANTIATE_TYPED_TEST_SUITE_P(Scheduled, MomentumContract, momentum::Scheduled);
