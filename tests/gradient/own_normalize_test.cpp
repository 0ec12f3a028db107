// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

#include <cmath>
#include <vector>

#include "../../examples/own_policies/own_policies.hpp"
#include "../contract/transform.hpp"

template <>
struct contract::Sample<own::Normalize> {
  static std::vector<own::Normalize::Options> options() { return {{}}; }
  static std::vector<double> expected(const own::Normalize::Options&, std::vector<double> g) {
    long double sum = 0;
    for (const double x : g) sum += (long double)x * x;
    for (double& x : g) x = sum > 0 ? double(x / std::sqrt(sum)) : x;
    return g;
  }
};

INSTANTIATE_TYPED_TEST_SUITE_P(Normalize, TransformContract, own::Normalize);
