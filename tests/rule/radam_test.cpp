// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

#include <agmohd/rule/radam.hpp>
#include <cstdint>
#include <vector>

#include "../contract/rule.hpp"

using namespace agmohd;

template <>
struct contract::Sample<rule::RAdam> {
  static constexpr const char* golden = "radam";
  static std::vector<rule::RAdam::Options> options() {
    return {{},
            {.betas = {0.8, 0.99}, .eps = 1e-3, .weight_decay = 0.1},
            {.betas = {0.0, 0.9}, .weight_decay = 0.1, .decoupled_weight_decay = true},
            {.betas = {0.9, 0.5}, .maximize = true}};
  }
  /// One gradient has no variance: the first step is that of the corrected first moment.
  static double first(const rule::RAdam::Options& o, double lr, double p, double g) {
    const double decay = o.decoupled_weight_decay ? 0 : o.weight_decay;
    const double h = (o.maximize ? -g : g) + decay * p;
    return p * (1 - lr * (o.weight_decay - decay)) - lr * h;
  }
};

INSTANTIATE_TYPED_TEST_SUITE_P(RAdam, RuleContract, rule::RAdam);

namespace {
/// The first of 1000 steps that is divided by the root; 0: none.
std::int64_t first_rectified(double b2) {
  rule::RAdam::Memory memory{};
  for (std::int64_t step = 1; step <= 1000; ++step) {
    const auto k = rule::RAdam::at<double>({.betas = {0.9, b2}}, {step, 0.1, {0.9, 0}}, memory);
    if (k.rectified != 0) return step;
  }
  return 0;
}
}  // namespace

TEST(RAdam, IsRectifiedOnceTheVarianceIsKnown) {
  EXPECT_EQ(first_rectified(0.999), 6);
  EXPECT_EQ(first_rectified(0.99), 6);
  EXPECT_EQ(first_rectified(0.5), 0);  // rho is 3
}
