// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

#include <agmohd/rule/lars.hpp>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <vector>

#include "../contract/rule.hpp"

using namespace agmohd;

template <>
struct contract::Sample<rule::LARS> {
  static constexpr const char* golden = "lars";
  static std::vector<rule::LARS::Options> options() {
    return {{},
            {.weight_decay = 0.1, .trust_coeff = 0.5, .nesterov = true},
            {.momentum = 0, .weight_decay = 0.01, .trust_coeff = 2, .eps = 0.1, .maximize = true},
            {.trust_coeff = 0.01, .trust_clip = true, .always_adapt = true}};
  }
};

INSTANTIATE_TYPED_TEST_SUITE_P(LARS, RuleContract, rule::LARS);

namespace {

/// q of a tensor of four elements with these norms.
double trust_ratio(const rule::LARS::Options& o, double p, double g, double lr = 1) {
  Now now{1, lr, {o.momentum, 0}};
  now.mean = p * p / 4, now.norm2 = g * g, now.numel = 4;
  rule::LARS::Memory none;
  return rule::LARS::at<double>(o, now, none).ratio;
}

TEST(LARS, RatioIsTheFormula) {
  EXPECT_EQ(trust_ratio({.weight_decay = 0}, 3, 5), 1);
  EXPECT_DOUBLE_EQ(trust_ratio({.weight_decay = 0.5, .trust_coeff = 0.1, .eps = 1}, 4, 5), 0.05);
  EXPECT_DOUBLE_EQ(trust_ratio({.trust_coeff = 0.1, .eps = 0, .always_adapt = true}, 4, 5), 0.08);
  const rule::LARS::Options clipped{
      .trust_coeff = 0.5, .eps = 0, .trust_clip = true, .always_adapt = true};
  EXPECT_DOUBLE_EQ(trust_ratio(clipped, 4, 5, 0.8), 0.5);
  EXPECT_DOUBLE_EQ(trust_ratio(clipped, 4, 5, 0.1), 1);
}

TEST(LARS, RatioIsOneWithoutNorms) {
  const rule::LARS::Options o{.weight_decay = 0.1};
  EXPECT_EQ(trust_ratio(o, 0, 5), 1);
  EXPECT_EQ(trust_ratio(o, 4, 0), 1);
  EXPECT_EQ(trust_ratio(o, 4, std::numeric_limits<double>::quiet_NaN()), 1);
}

TEST(LARS, NesterovNeedsMomentum) {
  EXPECT_THROW(check<rule::LARS>({.momentum = 0, .nesterov = true}), std::invalid_argument);
}

/// The reduce pass sums squares of the parameter as it is in memory, in each dtype.
TEST(LARS, StepScalesWithTheNormOfTheParameter) {
  for (const at::ScalarType dtype : contract::kDtypes) {
    const at::Tensor start = contract::random({40000}, 3).to(dtype);
    at::Tensor p = start.clone().requires_grad_();
    p.mutable_grad() = at::full_like(start, 0.5);
    using Plain = agmohd::Recipe<rule::LARS>;
    Optimizer<Plain> optimizer(
        {p}, Options<Plain>(1.0).set<rule::LARS>({.trust_coeff = 0.25, .always_adapt = true}));
    optimizer.step();
    const at::Tensor moved = p.detach().to(at::kDouble) - start.to(at::kDouble);
    const double expected = 0.25 * start.to(at::kDouble).norm().item<double>();
    const double bound = dtype == at::kBFloat16 ? 0.01 : dtype == at::kHalf ? 1e-3 : 1e-6;
    EXPECT_NEAR(moved.norm().item<double>(), expected, bound * expected) << dtype;
  }
}

}  // namespace
