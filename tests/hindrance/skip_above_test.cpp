// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

#include <vector>

#include "../contract/hindrance.hpp"

template <>
struct contract::Sample<contract::SkipAbove> {
  static std::vector<SkipAbove::Options> options() { return {{}, {.limit = 30}}; }
};

INSTANTIATE_TYPED_TEST_SUITE_P(SkipAbove, HindranceContract, contract::SkipAbove);
