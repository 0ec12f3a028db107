// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

#include <vector>

#include "../contract/momentum.hpp"

using namespace agmohd;

template <>
struct contract::Sample<momentum::Fixed> {
  static std::vector<momentum::Fixed::Options> options() { return {{}}; }
};

INSTANTIATE_TYPED_TEST_SUITE_P(Fixed, MomentumContract, momentum::Fixed);
