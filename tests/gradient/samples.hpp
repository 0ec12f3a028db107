// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
// Samples that others are made of.

#include <algorithm>
#include <cmath>
#include <vector>

#include "../contract/transform.hpp"

template <>
struct contract::Sample<agmohd::gradient::ClipByNorm> {
  static std::vector<agmohd::gradient::ClipByNorm::Options> options() { return {{}, {1e-3}, {40}}; }
  static agmohd::gradient::ClipByNorm::Options inactive() { return {1e6}; }
  static std::vector<double> expected(const agmohd::gradient::ClipByNorm::Options& o,
                                      std::vector<double> g) {
    long double sum = 0;
    for (const double x : g) sum += (long double)x * x;
    const double norm = double(std::sqrt(sum));
    for (double& x : g) x *= norm > o.max_norm ? o.max_norm / norm : 1;
    return g;
  }
};

template <>
struct contract::Sample<agmohd::gradient::ClipByValue> {
  static std::vector<agmohd::gradient::ClipByValue::Options> options() {
    return {{}, {1e-3}, {40}};
  }
  static agmohd::gradient::ClipByValue::Options inactive() { return {1e6}; }
  static std::vector<double> expected(const agmohd::gradient::ClipByValue::Options& o,
                                      std::vector<double> g) {
    for (double& x : g) x = std::min(std::max(x, -o.max_value), o.max_value);
    return g;
  }
};
