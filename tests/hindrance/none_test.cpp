// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

#include <cmath>
#include <limits>
#include <vector>

#include "../contract/hindrance.hpp"

using namespace agmohd;

template <>
struct contract::Sample<hindrance::None> {
  static std::vector<hindrance::None::Options> options() { return {{}}; }
};

INSTANTIATE_TYPED_TEST_SUITE_P(None, HindranceContract, hindrance::None);

namespace {

TEST(TrivialPolicies, ConcludeNothingAndChangeNothing) {
  hindrance::None::Memory memory;
  const Verdict v = hindrance::None::judge({}, {.norm2 = std::nan(""), .nonfinite = 3}, memory);
  EXPECT_EQ(v.level, 0);
  EXPECT_EQ(v.lr_factor, 1);
  EXPECT_EQ(v.norm_bound, std::numeric_limits<double>::infinity());
  EXPECT_FALSE(v.skip);
  const Blend blend = momentum::Fixed::blend({}, {}, 0.9);
  EXPECT_EQ(blend.beta1, 0.9);
  EXPECT_EQ(blend.look, 0);
  static_assert(recipe::SGD::wants == kNothing && recipe::Adam::wants == kNothing &&
                recipe::AdamW::wants == kNothing);
}

}  // namespace
