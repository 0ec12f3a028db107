// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

#include <agmohd/rule/hyperball.hpp>
#include <agmohd/rule/sgd.hpp>
#include <cmath>
#include <sstream>
#include <vector>

#include "../contract/rule.hpp"
#include "cautious_recipes.hpp"

using namespace agmohd;

template <>
struct contract::Sample<rule::Hyperball<rule::AdamW>> {
  static constexpr const char* golden = "hyperball";
  static std::vector<rule::AdamW::Options> options() {
    return {{},
            {.betas = {0.8, 0.99}, .eps = 1e-3, .weight_decay = 0.1},
            {.betas = {0.0, 0.9}, .amsgrad = true, .maximize = true}};
  }
};

INSTANTIATE_TYPED_TEST_SUITE_P(HyperballAdamW, RuleContract, rule::Hyperball<rule::AdamW>);

namespace {

using BallSGD = Optimizer<Recipe<rule::Hyperball<rule::SGD>>>;

double length_of(const at::Tensor& x) { return x.detach().to(at::kDouble).norm().item<double>(); }

}  // namespace

TEST(Hyperball, TurnsMatricesAndKeepsTheirNorm) {
  for (const at::ScalarType dtype : {at::kFloat, at::kDouble}) {
    for (const bool reference : {false, true}) {
      at::Tensor p = contract::random({33, 700}, 1).to(dtype).requires_grad_();
      const double r = length_of(p);
      BallSGD optimizer({p}, BallSGD::Options(0.1).momentum(0.9).weight_decay(0.01));
      if (reference) optimizer.use_tensor_backend();
      at::Tensor want = p.detach().to(at::kDouble).clone(), buffer = at::zeros_like(want);
      for (int t = 0; t < 20; ++t) {
        const at::Tensor g = 1e-5 * contract::random({33, 700}, 10 + t);
        p.mutable_grad() = g.to(dtype);
        optimizer.step();
        const at::Tensor decayed = g + 0.01 * want;
        buffer = t == 0 ? decayed : 0.9 * buffer + decayed;
        const at::Tensor q = want - 0.1 * r * buffer / buffer.norm();
        want = r * q / q.norm();
        EXPECT_NEAR(length_of(p), r, (dtype == at::kFloat ? 1e-6 : 1e-14) * r);
      }
      EXPECT_LE(length_of(p - want), (dtype == at::kFloat ? 2e-6 : 1e-13) * r);
    }
  }
}

TEST(Hyperball, TurnsWithoutMomentum) {
  at::Tensor p = contract::random({3, 50}, 1).requires_grad_();
  const at::Tensor before = p.detach().clone(), g = contract::random({3, 50}, 2);
  p.mutable_grad() = g.clone();
  BallSGD optimizer({p}, BallSGD::Options(0.1));
  optimizer.step();
  const double r = length_of(before);
  const at::Tensor q = before - 0.1 * r * g / g.norm();
  EXPECT_LE(length_of(p - r * q / q.norm()), 1e-13 * r);
}

TEST(Hyperball, VectorsMoveAsTheRuleSays) {
  at::Tensor p = contract::random({40}, 1).requires_grad_(), q = p.detach().clone();
  q.requires_grad_();
  BallSGD ball({p}, BallSGD::Options(0.1).momentum(0.9));
  SGD plain({q}, SGD::Options(0.1).momentum(0.9));
  for (int t = 0; t < 5; ++t) {
    p.mutable_grad() = contract::random({40}, 10 + t);
    q.mutable_grad() = p.grad().clone();
    ball.step(), plain.step();
  }
  EXPECT_TRUE(contract::same_bits(p, q));
}

TEST(Hyperball, MatricesOfZerosMoveAsTheRuleSaysForGood) {
  at::Tensor p = at::zeros({4, 5}, at::kDouble).requires_grad_(), q = p.detach().clone();
  q.requires_grad_();
  BallSGD ball({p}, BallSGD::Options(0.1).momentum(0.9));
  SGD plain({q}, SGD::Options(0.1).momentum(0.9));
  for (int t = 0; t < 5; ++t) {
    p.mutable_grad() = contract::random({4, 5}, 10 + t);
    q.mutable_grad() = p.grad().clone();
    ball.step(), plain.step();
  }
  EXPECT_TRUE(contract::same_bits(p, q));
}

TEST(Hyperball, TheRadiusIsThatOfTheFirstStepAndInCheckpoints) {
  at::Tensor p = at::full({2, 2}, 3.0, at::kDouble).requires_grad_();
  BallSGD optimizer({p}, BallSGD::Options(0.1));
  p.mutable_grad() = at::eye(2, at::kDouble);
  optimizer.step();
  std::stringstream file;
  torch::save(optimizer, file);
  at::Tensor q = p.detach().clone().requires_grad_();
  BallSGD loaded({q}, BallSGD::Options(0.1));
  torch::load(loaded, file);
  for (const auto& [x, o] : {std::pair{&p, &optimizer}, std::pair{&q, &loaded}}) {
    {
      const torch::NoGradGuard guard;
      x->mul_(0.5);  // the program's doing; the next step brings it back
    }
    x->mutable_grad() = at::eye(2, at::kDouble);
    o->step();
    EXPECT_NEAR(length_of(*x), 6, 1e-14);
  }
  EXPECT_TRUE(contract::same_bits(p, q));
}

TEST(Hyperball, WithoutAGradientItStands) {
  at::Tensor p = contract::random({6, 7}, 1).requires_grad_();
  const at::Tensor before = p.detach().clone();
  BallSGD optimizer({p}, BallSGD::Options(0.1));
  p.mutable_grad() = at::zeros({6, 7}, at::kDouble);
  optimizer.step();
  EXPECT_LE(length_of(p - before), 1e-15 * length_of(before));
}

TEST(Hyperball, GradientsOfAnySizeLeaveTheNorm) {
  for (const bool reference : {false, true}) {
    for (const double size : {1e20, 1e-25, 1e38}) {
      at::Tensor p = contract::random({30, 70}, 1).to(at::kFloat).requires_grad_();
      const double r = length_of(p);
      BallSGD optimizer({p}, BallSGD::Options(0.1).momentum(0.9));
      if (reference) optimizer.use_tensor_backend();
      for (int t = 0; t < 5; ++t) {
        p.mutable_grad() = (size * contract::random({30, 70}, 10 + t).clamp(-1, 1)).to(at::kFloat);
        optimizer.step();
        EXPECT_NEAR(length_of(p), r, 1e-6 * r) << size;
      }
    }
  }
}

/// A snapshot that the first step writes knows the norm that it found.
TEST(Hyperball, SnapshotsKeepTheRadius) {
  using Ball = Recipe<rule::Hyperball<rule::SGD>, hindrance::Nonfinite, recovery::Snapshots>;
  typename Ball::PerTensor tensor{};
  typename Ball::template Coefficients<double> k{};
  Ball::project(tensor, true, {4, 9, 1}, k, -1);
  EXPECT_EQ(tensor.rule.radius, 2);
  EXPECT_EQ(tensor.snapshots.kept[1].rule.radius, 0);
  Ball::project(tensor, true, {4, 9, 1}, k, 1);
  EXPECT_EQ(tensor.snapshots.kept[0].rule.radius, 0);
  EXPECT_EQ(tensor.snapshots.kept[1].rule.radius, 2);
}

TEST(Hyperball, ProjectsInClosedForm) {
  using Rule = rule::Hyperball<rule::SGD>;
  Rule::Memory m{};
  const Projected plain{0.5, 1};
  Projected to = Rule::project(m, false, 4, 9, 1, plain);
  EXPECT_EQ(to.lr, 0.5);
  EXPECT_EQ(m.radius, 0);
  to = Rule::project(m, true, 0, 0, 0, plain);  // without elements
  EXPECT_EQ(m.radius, 0);
  to = Rule::project(m, true, 4, 9, 0, plain);  // q = (2, -0.5 * 2)
  EXPECT_EQ(m.radius, 2);
  EXPECT_NEAR(to.decay, 2 / std::sqrt(5), 1e-15);
  EXPECT_NEAR(to.lr, 2 / std::sqrt(5) / 3, 1e-15);
  to = Rule::project(m, true, 4, 4, 4, {1, 1});  // p and u are the same, and lr is 1
  EXPECT_EQ(to.lr, 0);
  EXPECT_EQ(to.decay, 1);
  EXPECT_EQ(Rule::name(), "Hyperball<SGD>");
}
