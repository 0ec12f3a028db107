// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

#include <agmohd/rule/prodigy.hpp>
#include <cmath>
#include <memory>
#include <vector>

#include "../contract/rule.hpp"
#include "distance_estimate.hpp"

using namespace agmohd;

template <>
struct contract::Sample<rule::Prodigy> {
  static constexpr const char* golden = "prodigy";
  static constexpr double lr = 1;
  static std::vector<rule::Prodigy::Options> options() {
    return {{},
            {.betas = {0, 0.99},
             .beta3 = 0.95,
             .weight_decay = 0.01,
             .use_bias_correction = true,
             .d0 = 1e-3,
             .growth_rate = 1.5},
            {.weight_decay = 0.01,
             .decouple = false,
             .safeguard_warmup = true,
             .d0 = 1e-4,
             .d_coef = 0.5,
             .maximize = true}};
  }
};

INSTANTIATE_TYPED_TEST_SUITE_P(Prodigy, RuleContract, rule::Prodigy);

namespace {

using Prodigy = Optimizer<Recipe<rule::Prodigy>>;

/// One parameter of two elements, by hand.
TEST(Prodigy, EstimateIsTheFormula) {
  const double d0 = 1e-3, lr = 2, b2 = 0.999, b3 = std::sqrt(b2);
  at::Tensor p = at::tensor({1.0, -2.0}).to(at::kDouble).requires_grad_();
  const at::Tensor p0 = p.detach().clone(), first = at::tensor({0.5, 1.0}).to(at::kDouble),
                   second = at::tensor({0.75, 0.25}).to(at::kDouble);
  Prodigy optimizer({p}, Prodigy::Options(lr).set<rule::Prodigy>({.d0 = d0}));
  EXPECT_EQ(optimizer.rule_memory().d, d0);
  p.mutable_grad() = first.clone();
  optimizer.step();
  EXPECT_EQ(optimizer.rule_memory().d, d0);  // p was p0
  EXPECT_EQ(optimizer.rule_memory().numerator, 0);
  const at::Tensor p1 = p.detach().clone();
  p.mutable_grad() = second.clone();
  optimizer.step();
  const double weight = lr * d0;  // over d0
  const double r = weight * (second * (p0 - p1)).sum().item<double>();
  const double s = (b3 * weight * first + weight * second).abs().sum().item<double>();
  ASSERT_GT(r / s, d0);
  EXPECT_NEAR(optimizer.rule_memory().d, r / s, 1e-14);
  EXPECT_NEAR(optimizer.rule_memory().d_max, r / s, 1e-14);
}

TEST(Prodigy, FindsARateByItself) {
  at::Tensor p = contract::random({40}, 9).requires_grad_();
  const at::Tensor solution = contract::random({40}, 10);
  Prodigy optimizer({p});
  const auto distance = [&] { return (p.detach() - solution).abs().max().item<double>(); };
  const double begin = distance();
  for (int step = 0; step < 500; ++step) {
    p.mutable_grad() = p.detach() - solution;
    optimizer.step();
  }
  EXPECT_LT(distance(), 0.02 * begin);
  EXPECT_GT(optimizer.rule_memory().d, 0.01 * begin);
  EXPECT_LT(optimizer.rule_memory().d, 2 * begin);
}

/// The sums are over all groups and tensors, whatever holds them.
TEST(Prodigy, GroupsShareTheEstimate) {
  const auto run = [](bool grouped) {
    std::vector<at::Tensor> params{contract::random({40000}, 1), contract::random({7}, 2),
                                   contract::random({3, 5}, 3)};
    for (at::Tensor& p : params) p.requires_grad_();
    std::vector<OptimizerParamGroup> groups;
    if (grouped) {
      for (const at::Tensor& p : params) groups.emplace_back(std::vector<at::Tensor>{p});
    } else {
      groups.emplace_back(params);
    }
    Prodigy optimizer(groups);
    for (int step = 0; step < 12; ++step) {
      for (at::Tensor& p : params) p.mutable_grad() = p.detach() * 0.5;
      optimizer.step();
    }
    EXPECT_GT(optimizer.rule_memory().d, 1e-6);
    std::vector<double> out{optimizer.rule_memory().d};
    for (const at::Tensor& p : params) out.push_back(p.sum().item<double>());
    return out;
  };
  EXPECT_EQ(run(false), run(true));
}

/// A group without a rate moves nothing and adds nothing.
TEST(Prodigy, AGroupWithoutARateAddsNothing) {
  at::Tensor p = contract::random({40}, 1).requires_grad_(), q = p.detach().clone(),
             still = contract::random({40}, 2).requires_grad_();
  q.requires_grad_();
  const at::Tensor before = still.detach().clone();
  std::vector<OptimizerParamGroup> groups{OptimizerParamGroup({p}), OptimizerParamGroup({still})};
  groups[1].set_options(std::make_unique<Prodigy::Options>(0.0));
  Prodigy both(groups), alone({q});
  for (int step = 0; step < 12; ++step) {
    p.mutable_grad() = p.detach().clone();
    q.mutable_grad() = q.detach().clone();
    still.mutable_grad() = still.detach().clone();
    both.step();
    alone.step();
  }
  EXPECT_TRUE(at::equal(p, q));
  EXPECT_TRUE(at::equal(still, before));
  EXPECT_EQ(both.rule_memory().d, alone.rule_memory().d);
}

/// With options of d that the groups do not share, all follow the first.
TEST(Prodigy, TheFirstGroupSaysWhatConcernsTheEstimate) {
  using Rule = rule::Prodigy::Options;
  const Rule first{.betas = {0.8, 0.99},
                   .beta3 = 0.9,
                   .use_bias_correction = true,
                   .d0 = 1e-3,
                   .growth_rate = 1.5};
  const auto run = [&](const Rule& second) {
    at::Tensor p = contract::random({40}, 1).requires_grad_(),
               q = contract::random({40}, 2).requires_grad_();
    std::vector<OptimizerParamGroup> groups{OptimizerParamGroup({p}), OptimizerParamGroup({q})};
    groups[0].set_options(
        std::make_unique<Prodigy::Options>(Prodigy::Options(1.0).set<rule::Prodigy>(first)));
    groups[1].set_options(
        std::make_unique<Prodigy::Options>(Prodigy::Options(1.0).set<rule::Prodigy>(second)));
    Prodigy optimizer(groups);
    for (int step = 0; step < 12; ++step) {
      p.mutable_grad() = p.detach().clone();
      q.mutable_grad() = q.detach().clone();
      optimizer.step();
    }
    EXPECT_GT(optimizer.rule_memory().d, 1e-3);
    return std::vector<at::Tensor>{p.detach(), q.detach()};
  };
  Rule other = first;
  other.beta3 = 0.5, other.use_bias_correction = false, other.d0 = 1e-5, other.growth_rate = 0;
  const auto same = run(first), differing = run(other);
  EXPECT_TRUE(at::equal(same[0], differing[0]));
  EXPECT_TRUE(at::equal(same[1], differing[1]));
}

/// Also where lr is not in s.
TEST(Prodigy, AGroupThatLosesItsRateAddsNothingMore) {
  expect_rest_without_rate<Prodigy>(
      Prodigy::Options(1.0).set<rule::Prodigy>({.safeguard_warmup = true}));
}

/// The bias correction is that of the momentum in use, not of the option.
TEST(Prodigy, CorrectsTheMomentumOfACycle) {
  using Cycled = Optimizer<Recipe<rule::Prodigy, momentum::Cycle, schedule::OneCycle>>;
  at::Tensor p = contract::random({4}, 1).requires_grad_();
  Cycled optimizer({p}, Cycled::Options(1.0).total_steps(10).set<"use_bias_correction">(true));
  EXPECT_EQ(optimizer.rule_memory().beta1_product, momentum::Cycle::Options{}.max_momentum);
}

TEST(Prodigy, RefusesToShrink) {
  at::Tensor p = contract::random({4}, 1).requires_grad_();
  const auto with = [&](double growth_rate) {
    return Prodigy({p}, Prodigy::Options(1.0).set<"growth_rate">(growth_rate));
  };
  EXPECT_THROW(with(0.5), c10::Error);
  EXPECT_NO_THROW(with(0));
  EXPECT_NO_THROW(with(1));
}

/// A measured sweep adds the same sums, and records have the rate.
TEST(Prodigy, MeasuringChangesNoBit) {
  using Measured = Recipe<rule::Prodigy, hindrance::StepTooLarge>;
  at::Tensor p = contract::random({40000}, 1).to(at::kFloat).requires_grad_();
  at::Tensor q = p.detach().clone().requires_grad_();
  Prodigy plain({p});
  Optimizer<Measured> measured({q});
  for (int step = 0; step < 12; ++step) {
    const double d = measured.rule_memory().d;
    p.mutable_grad() = p.detach() * 0.5;
    q.mutable_grad() = q.detach() * 0.5;
    plain.step();
    measured.step();
    EXPECT_EQ(measured.records().back().lr, d);
  }
  EXPECT_TRUE(at::equal(p, q));
  EXPECT_GT(plain.rule_memory().d, 1e-6);
  EXPECT_EQ(plain.rule_memory().d, measured.rule_memory().d);
}

/// The record of a skipped step has the rate of the step that was due, also of the first.
TEST(Prodigy, SkippedStepsHaveARate) {
  using Skipping = Optimizer<Recipe<rule::Prodigy, hindrance::Nonfinite>>;
  const double nan = std::nan("");
  at::Tensor p = contract::random({40}, 1).requires_grad_();
  at::Tensor q = p.detach().clone().requires_grad_();
  const auto options = Skipping::Options(1).set<"use_bias_correction">(true);
  Skipping skips({p}, options), plain({q}, options);
  for (int t = 0; t < 4; ++t) {
    p.mutable_grad() = at::full_like(p, nan).detach();
    skips.step();
    EXPECT_EQ(skips.records().back().skipped, 1);
    const double due = skips.effective_lr();
    p.mutable_grad() = p.detach().clone();
    q.mutable_grad() = p.detach().clone();
    skips.step(), plain.step();
    EXPECT_EQ(plain.updates(), t + 1);
    EXPECT_EQ(due, plain.effective_lr()) << t;
    EXPECT_EQ(skips.effective_lr(), due) << t;
  }
  EXPECT_TRUE(at::equal(p, q));
}

TEST(Prodigy, ANewPhaseKeepsTheEstimate) {
  at::Tensor p = contract::random({40}, 1).requires_grad_();
  Prodigy optimizer({p});
  for (int step = 0; step < 5; ++step) {
    p.mutable_grad() = p.detach().clone();
    optimizer.step();
  }
  const double d = optimizer.rule_memory().d;
  EXPECT_GT(d, 1e-6);
  optimizer.reset();
  EXPECT_EQ(optimizer.rule_memory().d, d);
}

}  // namespace
