// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

#include <vector>

#include "../contract/transform.hpp"

using namespace agmohd;

template <>
struct contract::Sample<gradient::None> {
  static std::vector<gradient::None::Options> options() { return {{}}; }
  static gradient::None::Options inactive() { return {}; }
  static std::vector<double> expected(const gradient::None::Options&, std::vector<double> g) {
    return g;
  }
};

INSTANTIATE_TYPED_TEST_SUITE_P(None, TransformContract, gradient::None);
