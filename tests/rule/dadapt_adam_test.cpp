// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

#include <agmohd/rule/dadapt_adam.hpp>
#include <cmath>
#include <memory>
#include <vector>

#include "../contract/rule.hpp"
#include "distance_estimate.hpp"

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

using DAdaptAdam = Optimizer<Recipe<rule::DAdaptAdam>>;

/// One parameter of two elements, by hand.
TEST(DAdaptAdam, EstimateIsTheFormula) {
  const double d0 = 1e-3, b2 = 0.999, b3 = std::sqrt(b2), eps = 1e-8;
  at::Tensor p = at::tensor({1.0, -2.0}).to(at::kDouble).requires_grad_();
  const at::Tensor first = at::tensor({0.5, 1.0}).to(at::kDouble),
                   second = at::tensor({0.75, 0.25}).to(at::kDouble);
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

TEST(DAdaptAdam, AGroupThatLosesItsRateAddsNothingMore) {
  expect_rest_without_rate<DAdaptAdam>({});
}

TEST(DAdaptAdam, TheFirstGroupSaysWhatConcernsTheEstimate) {
  const auto run = [](bool differing) {
    at::Tensor p = contract::random({40}, 1).requires_grad_(),
               q = contract::random({40}, 2).requires_grad_();
    std::vector<OptimizerParamGroup> groups{OptimizerParamGroup({p}), OptimizerParamGroup({q})};
    const auto first = DAdaptAdam::Options(1.0).set<"use_bias_correction">(true);
    auto second = first;
    if (differing) second.set<"use_bias_correction">(false).set<"d0">(1e-3).set<"growth_rate">(1.1);
    groups[0].set_options(std::make_unique<DAdaptAdam::Options>(first));
    groups[1].set_options(std::make_unique<DAdaptAdam::Options>(second));
    DAdaptAdam optimizer(groups);
    for (int step = 0; step < 12; ++step) {
      p.mutable_grad() = p.detach().clone();
      q.mutable_grad() = q.detach().clone();
      optimizer.step();
    }
    return std::vector<at::Tensor>{p.detach(), q.detach()};
  };
  const auto same = run(false), differing = run(true);
  EXPECT_TRUE(at::equal(same[0], differing[0]));
  EXPECT_TRUE(at::equal(same[1], differing[1]));
}

TEST(DAdaptAdam, RefusesToShrink) {
  at::Tensor p = contract::random({4}, 1).requires_grad_();
  EXPECT_THROW(DAdaptAdam({p}, DAdaptAdam::Options(1.0).set<"growth_rate">(0.5)), c10::Error);
}

}  // namespace
