// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

#include <agmohd/rule/dadapt_adam.hpp>
#include <cmath>
#include <vector>

#include "../contract/rule.hpp"

using namespace agmohd;

template <>
struct contract::Sample<rule::DAdaptAdam> {
  static constexpr const char* golden = "dadaptadam";
  static constexpr double lr = 1;
  static std::vector<rule::DAdaptAdam::Options> options() {
    return {{},
            {.betas = {0.5, 0.99},
             .eps = 1e-4,
             .weight_decay = 0.01,
             .decouple = true,
             .use_bias_correction = true,
             .d0 = 1e-3,
             .growth_rate = 1.5},
            {.weight_decay = 0.01, .d0 = 1e-4, .maximize = true}};
  }
};

INSTANTIATE_TYPED_TEST_SUITE_P(DAdaptAdam, RuleContract, rule::DAdaptAdam);

namespace {

/// One parameter of two elements, by hand.
TEST(DAdaptAdam, EstimateIsTheFormula) {
  const double d0 = 1e-3, b2 = 0.999, b3 = std::sqrt(b2), eps = 1e-8;
  at::Tensor p = at::tensor({1.0, -2.0}).to(at::kDouble).requires_grad_();
  const at::Tensor first = at::tensor({0.5, 1.0}).to(at::kDouble),
                   second = at::tensor({0.75, 0.25}).to(at::kDouble);
  using DAdaptAdam = Optimizer<Recipe<rule::DAdaptAdam>>;
  DAdaptAdam optimizer({p}, DAdaptAdam::Options(1.0).set<rule::DAdaptAdam>({.d0 = d0}));
  p.mutable_grad() = first.clone();
  optimizer.step();
  EXPECT_EQ(optimizer.rule_memory().d, d0);  // s was 0
  p.mutable_grad() = second.clone();
  optimizer.step();
  const at::Tensor s = d0 * (1 - b3) * first, root = ((1 - b2) * first.square()).sqrt() + eps;
  const double r = (1 - b3) * d0 * (second * s / root).sum().item<double>();
  const double norm = (b3 * s + d0 * (1 - b3) * second).abs().sum().item<double>();
  ASSERT_GT(r / (1 - b3) / norm, d0);
  EXPECT_NEAR(optimizer.rule_memory().d, r / (1 - b3) / norm, 1e-14);
}

}  // namespace
