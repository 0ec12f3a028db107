// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

#include <vector>

#include "../contract/hindrance.hpp"

using namespace agmohd;

template <>
struct contract::Sample<hindrance::AdaGC> {
  static std::vector<hindrance::AdaGC::Options> options() {
    return {{}, {.adagc_warmup = 3}, {.adagc_beta = 0.5, .adagc_warmup = 0, .repaired = false}};
  }
};

INSTANTIATE_TYPED_TEST_SUITE_P(AdaGC, HindranceContract, hindrance::AdaGC);
