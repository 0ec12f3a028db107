// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "samples.hpp"

using namespace agmohd;

template <>
struct contract::Sample<gradient::ClipByMaxNorm> {
  static std::vector<gradient::ClipByMaxNorm::Options> options() { return {{}, {1e-3}, {40}}; }
  static gradient::ClipByMaxNorm::Options inactive() { return {1e6}; }
  static std::vector<double> expected(const gradient::ClipByMaxNorm::Options& o,
                                      std::vector<double> g) {
    double largest = 0;
    for (const double x : g) largest = std::max(largest, std::abs(x));
    for (double& x : g) x *= largest > o.max_abs ? o.max_abs / largest : 1;
    return g;
  }
};

INSTANTIATE_TYPED_TEST_SUITE_P(ClipByMaxNorm, TransformContract, gradient::ClipByMaxNorm);

namespace {

TEST(ClipByMaxNorm, ScalesTheSignalsOfLaterTransforms) {
  Signals s{.norm2 = 100, .max_abs = 8};
  TensorSignals ts{.norm2 = 36, .max_abs = 4, .numel = 9};
  const auto k = gradient::ClipByMaxNorm::at<double>({.max_abs = 2}, s, {}, ts, {});
  EXPECT_EQ(k.factor, 0.25);
  EXPECT_EQ(s.norm2, 6.25);
  EXPECT_EQ(s.max_abs, 2);
  EXPECT_EQ(ts.norm2, 2.25);
  EXPECT_EQ(ts.max_abs, 1);
}

TEST(ClipByMaxNorm, InfinityGivesZeroAndNaN) {
  const float inf = std::numeric_limits<float>::infinity();
  const auto got = contract::linked<gradient::ClipByMaxNorm>({}, std::vector<float>{3, -inf});
  EXPECT_EQ(got[0], 0);
  EXPECT_TRUE(std::isnan(got[1]));
}

}  // namespace
