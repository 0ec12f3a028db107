// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

#include <vector>

#include "samples.hpp"

using namespace agmohd;

template <>
struct contract::Sample<gradient::Choice> {
  using Clipping = gradient::Clipping;
  static std::vector<gradient::Choice::Options> options() {
    return {{}, {Clipping::global_norm, 1e-3}, {Clipping::value, 1, 1e-3}, {Clipping::none}};
  }
  static gradient::Choice::Options inactive() { return {Clipping::adaptive, 1e6}; }
  static std::vector<double> expected(const gradient::Choice::Options& o,
                                      const std::vector<double>& g) {
    if (o.gradient_clipping == Clipping::none) return g;
    if (o.gradient_clipping == Clipping::value) {
      return Sample<gradient::ClipByValue>::expected({o.max_value}, g);
    }
    return Sample<gradient::ClipByNorm>::expected({o.max_norm}, g);
  }
};

INSTANTIATE_TYPED_TEST_SUITE_P(Choice, TransformContract, gradient::Choice);

namespace {

TEST(Choice, ValueBoundsTheNormThatRulesSee) {
  const gradient::Choice::Options o{.gradient_clipping = gradient::Clipping::value,
                                    .max_value = 0.5};
  Signals s{.norm2 = 100};
  TensorSignals ts{.norm2 = 100, .max_abs = 9, .numel = 8};
  const auto k = gradient::Choice::at<float>(o, s, {}, ts, {});
  EXPECT_EQ(k.max_value, 0.5F);
  EXPECT_EQ(ts.norm2, 8 * 0.25);
  EXPECT_EQ(ts.max_abs, 0.5);
}

}  // namespace
