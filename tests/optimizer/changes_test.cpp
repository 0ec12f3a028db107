// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// Gradients that come and go; parameters, options and states that change.

#include <gtest/gtest.h>
#include <torch/optim.h>
#include <torch/types.h>

#include <agmohd/agmohd.hpp>
#include <limits>
#include <memory>
#include <utility>

#include "everything.hpp"

namespace {

using namespace testing_optimizer;

TEST(Gradients, MayBeUndefinedEmptyOrLate) {
  Tensor a = torch::ones({3}).requires_grad_(), b = torch::ones({0, 2}).requires_grad_(),
         c = torch::ones({2}).requires_grad_();
  agmohd::AdamW optimizer(Tensors{a, b, c}, 0.1);
  optimizer.step();  // nothing has a gradient
  EXPECT_EQ(optimizer.updates(), 0);
  EXPECT_TRUE(optimizer.state().empty());
  a.mutable_grad() = torch::ones({3});
  b.mutable_grad() = torch::ones({0, 2});
  optimizer.step();
  c.mutable_grad() = torch::ones({2});
  a.mutable_grad() = Tensor();
  optimizer.step();
  optimizer.step();
  const auto step = [&](const Tensor& p) {
    return static_cast<agmohd::AdamWParamState&>(*optimizer.state().at(p.unsafeGetTensorImpl()))
        .step();
  };
  EXPECT_EQ(step(a), 1);
  EXPECT_EQ(step(b), 3);
  EXPECT_EQ(step(c), 2);
  EXPECT_EQ(optimizer.updates(), 3);
}

TEST(Gradients, AreNeverWritten) {
  Tensor p = torch::randn({70000}).requires_grad_();
  p.mutable_grad() = torch::randn({70000}) * 100;
  const Tensor before = p.grad().clone();
  Everything optimizer(Tensors{p}, everything());
  for (int i = 0; i < 3; ++i) optimizer.step();
  EXPECT_TRUE(torch::equal(before, p.grad()));
}

TEST(Parameters, MayBeReplacedMovedAndRetyped) {
  Tensor p = torch::ones({5}).requires_grad_();
  agmohd::SGD optimizer(Tensors{p}, agmohd::SGDOptions(0.1).momentum(0.9));
  const auto step = [&] {
    optimizer.param_groups()[0].params()[0].mutable_grad() =
        torch::ones_like(optimizer.param_groups()[0].params()[0]);
    optimizer.step();
  };
  step();
  p.mutable_grad() = Tensor();
  p.set_data(p.detach().to(torch::kDouble));  // as Module::to(kDouble) does
  step();
  EXPECT_EQ(p.scalar_type(), torch::kDouble);
  EXPECT_NEAR(p[0].item<double>(), 1 - 0.1 - 0.19, 1e-6) << "the momentum went along";
  Tensor q = torch::zeros({3}).requires_grad_();
  optimizer.param_groups()[0].params()[0] = q;
  step();
  EXPECT_NEAR(q[0].item<double>(), -0.1, 1e-7);
  Tensor added = torch::zeros({2, 2}).requires_grad_();
  optimizer.add_parameters({added});
  added.mutable_grad() = torch::ones({2, 2});
  step();
  EXPECT_NEAR(added[0][0].item<double>(), -0.1, 1e-7);
  {
    const torch::NoGradGuard no_grad;
    q.set_data(torch::full({3}, 5.0F));  // the same tensor, other memory
  }
  step();
  EXPECT_LT(q[0].item<double>(), 5);
}

TEST(Parameters, TellAutogradThatTheyWereWritten) {
  Tensor p = torch::ones({3}).requires_grad_();
  const Tensor y = (p * p).sum();
  p.mutable_grad() = torch::ones({3});
  agmohd::SGD optimizer(Tensors{p}, 0.1);
  optimizer.step();
  EXPECT_THROW(y.backward(), c10::Error) << "p changed between forward and backward";
}

TEST(Options, AreTheTruthAtEveryStep) {
  Tensor p = torch::zeros({1}).requires_grad_();
  agmohd::Optimizer<testing_recipes::ClippedSGD> optimizer(
      Tensors{p}, agmohd::Optimizer<testing_recipes::ClippedSGD>::Options(1).max_norm(1));
  p.mutable_grad() = torch::full({1}, 4.0F);
  optimizer.step();
  EXPECT_EQ(p.item<float>(), -1);
  optimizer.options().max_norm(2);
  optimizer.step();
  EXPECT_EQ(p.item<float>(), -3);
  optimizer.param_groups()[0].options().set_lr(0.5);
  optimizer.step();
  EXPECT_EQ(p.item<float>(), -4);
  // Momentum switched on later: the buffer appears.
  static_cast<decltype(optimizer)::Options&>(optimizer.param_groups()[0].options()).momentum(0.5);
  optimizer.step();
  EXPECT_EQ(p.item<float>(), -5);
  optimizer.step();
  EXPECT_EQ(p.item<float>(), -6.5);
}

TEST(State, IsComparedAtEveryStep) {
  Tensor a = torch::zeros({4}).requires_grad_(), b = torch::zeros({4}).requires_grad_();
  agmohd::SGD optimizer(Tensors{a, b}, agmohd::SGDOptions(1).momentum(0.5));
  a.mutable_grad() = torch::ones({4});
  b.mutable_grad() = torch::full({4}, 10.0F);
  optimizer.step();
  const auto state = [&](const Tensor& p) -> std::unique_ptr<agmohd::OptimizerParamState>& {
    return optimizer.state().at(p.unsafeGetTensorImpl());
  };
  // A reference that was taken before a step and is assigned to after it.
  Tensor& buffer = static_cast<agmohd::SGDParamState&>(*state(a)).momentum_buffer();
  optimizer.step();
  buffer = torch::full({4}, 100.0F);
  optimizer.step();
  EXPECT_EQ(a[0].item<float>(), -1 - 1.5F - 51);
  std::swap(state(a), state(b));  // momenta 51 and 17.5
  optimizer.step();
  EXPECT_EQ(a[0].item<float>(), -53.5F - (0.5F * 17.5F + 1));
}

TEST(State, IsNotMadeForFrozenParameters) {
  Tensor a = torch::zeros({4}).requires_grad_(), frozen = torch::zeros({4});
  agmohd::AdamW optimizer(Tensors{a, frozen}, 0.1);
  optimizer.prepare();
  EXPECT_EQ(optimizer.state().size(), 1U);
}

TEST(Momentum, SwitchedOnLaterBeginsUndampened) {
  const auto run = [](auto& optimizer, const Tensor& p, auto* options) {
    for (int t = 0; t < 4; ++t) {
      p.mutable_grad() = torch::full({2}, 1.0F + float(t));
      if (t == 1) options->momentum(0.5).dampening(0.5);
      optimizer.step();
    }
    return p.detach().clone();
  };
  Tensor a = torch::zeros({2}).requires_grad_(), b = torch::zeros({2}).requires_grad_();
  torch::optim::SGD stock(Tensors{a}, torch::optim::SGDOptions(1));
  agmohd::SGD ours(Tensors{b}, agmohd::SGDOptions(1));
  EXPECT_TRUE(torch::equal(
      run(stock, a, &static_cast<torch::optim::SGDOptions&>(stock.param_groups()[0].options())),
      run(ours, b, &static_cast<agmohd::SGDOptions&>(ours.param_groups()[0].options()))));
}

TEST(NonFinite, GradientsPropagateAsInTorch) {
  for (const float bad :
       {std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()}) {
    Tensor a = torch::ones({4}).requires_grad_(), b = torch::ones({4}).requires_grad_();
    torch::optim::SGD stock(Tensors{a}, torch::optim::SGDOptions(0.1).momentum(0.9));
    agmohd::SGD ours(Tensors{b}, agmohd::SGDOptions(0.1).momentum(0.9));
    for (int t = 0; t < 2; ++t) {
      a.mutable_grad() = torch::tensor({1.0F, bad, -bad, 2.0F});
      b.mutable_grad() = a.grad().clone();
      stock.step();
      ours.step();
    }
    EXPECT_TRUE(torch::allclose(a, b, 1e-6, 0, /*equal_nan=*/true)) << a << b;
  }
}

TEST(Move, KeepsTheState) {
  Tensor p = torch::ones({4}).requires_grad_();
  p.mutable_grad() = torch::ones({4});
  agmohd::AdamW first(Tensors{p}, 0.1);
  first.step();
  agmohd::AdamW second(std::move(first));
  second.step();
  EXPECT_EQ(second.updates(), 2);
}

}  // namespace
