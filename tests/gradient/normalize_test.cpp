// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

#include <cmath>
#include <vector>

#include "samples.hpp"

using namespace agmohd;

template <>
struct contract::Sample<gradient::Normalize> {
  static std::vector<gradient::Normalize::Options> options() {
    return {{}, {.normalize_to = 40}, {.normalize_eps = 0}, {0.25, 3}};
  }
  static std::vector<double> expected(const gradient::Normalize::Options& o,
                                      std::vector<double> g) {
    long double sum = 0;
    for (const double x : g) sum += (long double)x * x;
    const double size = double(std::sqrt(sum)) + o.normalize_eps;
    for (double& x : g) x *= size > 0 ? o.normalize_to / size : 1;
    return g;
  }
};

INSTANTIATE_TYPED_TEST_SUITE_P(GlobalNorm, TransformContract, gradient::Normalize);

namespace {

TEST(Normalize, TellsLaterTransformsItsNorm) {
  Signals s{.norm2 = 100, .max_abs = 8};
  TensorSignals ts{.norm2 = 64, .max_abs = 4, .numel = 9};
  const auto k = gradient::Normalize::at<double>({5, 0}, s, {}, ts, {});
  EXPECT_EQ(k.factor, 0.5);
  EXPECT_EQ(s.norm2, 25);
  EXPECT_EQ(s.max_abs, 4);
  EXPECT_EQ(ts.norm2, 16);
  EXPECT_EQ(ts.max_abs, 2);
}

TEST(Normalize, ZerosStayZeroWithoutEps) {
  Signals s;
  TensorSignals ts;
  const auto k = gradient::Normalize::at<float>({1, 0}, s, {}, ts, {});
  EXPECT_EQ(gradient::Normalize::apply(0.0F, k), 0);
  EXPECT_EQ(s.norm2, 0);
  EXPECT_EQ(s.max_abs, 0);
}

}  // namespace
