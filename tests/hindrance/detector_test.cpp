// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

#include <vector>

#include "../contract/hindrance.hpp"

using namespace agmohd;

template <>
struct contract::Sample<hindrance::Detector> {
  static std::vector<hindrance::Detector::Options> options() { return {{}, {0}, {1}}; }
};

INSTANTIATE_TYPED_TEST_SUITE_P(Detector, HindranceContract, hindrance::Detector);
