// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

#include "samples.hpp"

using namespace agmohd;

INSTANTIATE_TYPED_TEST_SUITE_P(ClipByNorm, TransformContract, gradient::ClipByNorm);

namespace {

TEST(HindranceBound, LowersTheNormThatClipByNormAllows) {
  Signals s{.norm2 = 100, .max_abs = 9};
  const auto k = gradient::ClipByNorm::at<double>({.max_norm = 5}, s, {.norm_bound = 2});
  EXPECT_DOUBLE_EQ(k.factor, 0.2);
  EXPECT_DOUBLE_EQ(s.norm2, 4);
  EXPECT_DOUBLE_EQ(s.max_abs, 1.8);
}

}  // namespace
