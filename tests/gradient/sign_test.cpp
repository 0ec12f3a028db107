// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

#include <limits>
#include <vector>

#include "samples.hpp"

using namespace agmohd;

template <>
struct contract::Sample<gradient::Sign> {
  static std::vector<gradient::Sign::Options> options() { return {{}}; }
  static std::vector<double> expected(const gradient::Sign::Options&, std::vector<double> g) {
    for (double& x : g) x = double(x > 0) - double(x < 0);
    return g;
  }
};

INSTANTIATE_TYPED_TEST_SUITE_P(Sign, TransformContract, gradient::Sign);

namespace {

TEST(Sign, IsMeasured) {
  const float inf = std::numeric_limits<float>::infinity();
  Signals s;
  EXPECT_EQ(contract::linked<gradient::Sign>({}, std::vector<float>{-inf, 0, 1e-40F, 7}, &s),
            (std::vector<float>{-1, 0, 1, 1}));
  EXPECT_EQ(s.norm2, 3);
  EXPECT_EQ(s.max_abs, 1);
  EXPECT_EQ(s.nonfinite, 0);
}

}  // namespace
