// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// What LibTorch's own tests ask of its optimizers (test/cpp/api/optim.cpp and serialize.cpp there),
// asked of the twins, and of AGMOHD where it can be. Built against LibTorch 2.11 and 2.15.

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cstdint>
#include <memory>
#include <sstream>
#include <string>
#include <type_traits>
#include <vector>

#include "twins.hpp"

namespace {

using namespace testing_upstream;

TYPED_TEST(Upstream, Accessors) {
  using F = TestFixture;
  const Tensors params = parameters();
  const typename F::Options options(1.0);
  typename F::Optimizer optimizer(params, options);
  EXPECT_TRUE(static_cast<typename F::Options&>(optimizer.defaults()) == options);
  EXPECT_FALSE(static_cast<typename F::Options&>(optimizer.defaults()) == typename F::Options(2.0));
  EXPECT_EQ(static_cast<typename F::StockOptions&>(optimizer.defaults()).lr(), 1.0);

  auto& groups = optimizer.param_groups();
  groups.emplace_back(params);
  for (std::size_t i = 0; i < params.size(); ++i) {
    EXPECT_TRUE(torch::equal(params[i], groups[1].params()[i]));
  }
  try {
    optimizer.add_param_group(Group(params));
    FAIL() << "no error";
  } catch (const c10::Error& error) {
    EXPECT_NE(
        std::string(error.what()).find("some parameters appear in more than one parameter group"),
        std::string::npos);
  }
  groups.pop_back();

  if constexpr (at_once<F>) {
    const auto& state = static_cast<const typename F::State&>(
        *optimizer.state().at(params[0].unsafeGetTensorImpl()));
    EXPECT_EQ(state.step(), 0);
    EXPECT_TRUE(torch::equal(state.sum(), torch::zeros({2, 2})));
  }
  give_gradients(params, 0);
  optimizer.step();
  auto& state =
      static_cast<typename F::State&>(*optimizer.state()[params[0].unsafeGetTensorImpl()]);
  const std::int64_t steps = state.step();
  state.step(state.step() + 1);
  EXPECT_EQ(state.step(), steps + 1);
  state.step() = 7;
  state.step() += 2;
  EXPECT_EQ(static_cast<const typename F::State&>(state).step(), 9);
  optimizer.step();
  EXPECT_EQ(state.step(), 10);

  const typename F::Optimizer constant(parameters(), options);
  EXPECT_EQ(constant.param_groups().size(), 1U);
  EXPECT_EQ(constant.state().size(), at_once<F> ? 3U : 0U);
  EXPECT_EQ(constant.defaults().get_lr(), 1.0);
}

TYPED_TEST(Upstream, StatesAreEqualByStepAndTensors) {
  using F = TestFixture;
  const Tensors params = parameters();
  typename F::Optimizer optimizer(params, typename F::Options(0.1));
  give_gradients(params, 0);
  optimizer.step();
  auto& state =
      static_cast<typename F::State&>(*optimizer.state()[params[0].unsafeGetTensorImpl()]);
  typename F::State copy(state);
  EXPECT_TRUE(copy == state);
  copy.step() += 1;
  // torch.optim's state of SGD has no step to compare.
  EXPECT_EQ(copy == state, (std::is_same_v<typename F::Stock, torch::optim::SGD>));
  copy.step() -= 1;
  EXPECT_TRUE(copy == state);
  copy.for_each_slot([](std::size_t, Tensor& slot) {
    if (slot.defined()) slot.add_(1);
  });
  typename F::State empty;
  EXPECT_TRUE(empty == typename F::State());
  if (!std::is_same_v<typename F::Stock, torch::optim::SGD>) {
    EXPECT_FALSE(copy == state);
    copy.for_each_slot([](std::size_t, Tensor& slot) { slot = Tensor(); });
    EXPECT_FALSE(copy == state);
  }
}

TYPED_TEST(Upstream, BeginsEmptyAndGetsParametersLater) {
  using F = TestFixture;
  {
    typename F::Optimizer optimizer(Tensors{}, typename F::Options(0.1));
    EXPECT_EQ(optimizer.size(), 0U);
    optimizer.step();
    optimizer.zero_grad();
    EXPECT_EQ(optimizer.updates(), 0);
    const Tensors params = parameters();
    torch::optim::Optimizer& base = optimizer;
    base.add_parameters(params);
    EXPECT_EQ(optimizer.size(), 3U);
    expect_close(optimizer.parameters(), params);
    give_gradients(params, 0);
    const Tensor before = params[2].detach().clone();
    optimizer.step();
    EXPECT_FALSE(torch::equal(params[2], before));
    EXPECT_EQ(optimizer.updates(), 1);
  }
  {
    typename F::Optimizer optimizer(std::vector<Group>{}, typename F::Options(0.1));
    optimizer.step();
    optimizer.prepare();
    std::stringstream file;
    torch::save(optimizer, file);
    torch::load(optimizer, file);
    const Tensors params = parameters();
    optimizer.add_param_group(Group(params));
    give_gradients(params, 0);
    const Tensor before = params[0].detach().clone();
    optimizer.step();
    EXPECT_FALSE(torch::equal(params[0], before));
  }
}

// add_parameters() called again by a training loop, tied weights in parameters().
TYPED_TEST(Upstream, UpdatesATensorThatIsListedTwiceOnce) {
  using F = TestFixture;
  const Tensors once = parameters(), twice = parameters();
  typename F::Optimizer a(once, typename F::Options(0.1));
  typename F::Optimizer b(Tensors{twice[0], twice[1], twice[0], twice[2]},
                          typename F::Options(0.1));
  static_cast<torch::optim::Optimizer&>(b).add_parameters({twice[1]});
  EXPECT_EQ(b.size(), 5U);
  const auto train = [&](typename F::Optimizer& with, int from, int to) {
    for (int t = from; t < to; ++t) {
      give_gradients(once, t);
      give_gradients(twice, t);
      a.step();
      with.step();
    }
    for (std::size_t i = 0; i < once.size(); ++i) EXPECT_TRUE(torch::equal(once[i], twice[i])) << i;
  };
  train(b, 0, 5);
  EXPECT_EQ(b.state().size(), 3U);
  std::stringstream file;
  torch::save(b, file);
  typename F::Optimizer c(b.parameters(), typename F::Options(0.5));
  torch::load(c, file);
  train(c, 5, 10);
  // The second place gets a tensor of its own: it is seen.
  Tensor fresh = torch::ones({2, 2}).requires_grad_();
  c.param_groups()[0].params()[2] = fresh;
  fresh.mutable_grad() = torch::ones({2, 2});
  c.step();
  EXPECT_FALSE(torch::equal(fresh, torch::ones({2, 2})));
}

TYPED_TEST(Upstream, LeavesAnExternalVectorOfParametersInPlace) {
  using F = TestFixture;
  Tensors params = parameters();
  Tensors before;
  for (const Tensor& p : params) before.push_back(p.detach().clone());
  typename F::Optimizer optimizer(params, typename F::Options(1.0).weight_decay(0));
  for (const Tensor& p : params) p.mutable_grad() = torch::ones_like(p) * 1e-3;
  optimizer.step();
  const double moved = std::is_same_v<typename F::Stock, torch::optim::SGD>       ? 1e-3
                       : std::is_same_v<typename F::Stock, torch::optim::RMSprop> ? 9.999
                                                                                  : 1;
  for (std::size_t i = 0; i < params.size(); ++i) {
    EXPECT_TRUE(torch::allclose(params[i], before[i] - moved, 1e-4)) << i;
  }
  optimizer.zero_grad();
  for (const Tensor& p : params) EXPECT_FALSE(p.grad().defined());
  for (const Tensor& p : params) p.mutable_grad() = torch::ones_like(p);
  optimizer.zero_grad(/*set_to_none=*/false);
  for (const Tensor& p : params) EXPECT_EQ(p.grad().abs().sum().template item<double>(), 0);
}

/// The base class gives a group without options a copy of the optimizer's.
TYPED_TEST(Upstream, WhatBelongsToTheOptimizerMayChangeAfterAGroupWasAdded) {
  using F = TestFixture;
  const Tensors params = parameters();
  typename F::Options options(0.2);
  if constexpr (requires { options.max_norm(2); }) options.max_norm(2);
  typename F::Optimizer optimizer(Tensors{params[0]}, options);
  static_cast<torch::optim::Optimizer&>(optimizer).add_param_group(Group({params[1]}));
  if constexpr (requires { options.max_norm(2); }) {
    optimizer.options().max_norm(0.5);
    give_gradients(params, 0);
    optimizer.step();
    optimizer.options().max_norm(0.25);
    // A group's own is refused as before.
    static_cast<torch::optim::Optimizer&>(optimizer).add_param_group(Group(
        {params[2]}, std::make_unique<typename F::Options>(typename F::Options().max_norm(7))));
    const auto& own = static_cast<typename F::Options&>(optimizer.param_groups()[2].options());
    if (own.max_norm() == 7) {  // LibTorch 2.15 leaves it out
      EXPECT_THROW(optimizer.step(), c10::Error);
    }
  } else {
    give_gradients(params, 0);
    optimizer.step();
  }
  EXPECT_EQ(optimizer.updates(), 1);
}

}  // namespace
