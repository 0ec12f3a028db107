// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// States that a program takes in hand.

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <agmohd/agmohd.hpp>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "program.hpp"

namespace {

using namespace testing_dropin;

// What 3D Gaussian splatting does: rows are added to a parameter and to its state, and the new
// parameter takes the place of the old one in its group. Rows are pruned in the same way.
template <class NS>
std::vector<double> grow_and_prune() {
  torch::manual_seed(1);
  Tensor points = torch::randn({10, 3}).requires_grad_(),
         colors = torch::rand({10, 3}).requires_grad_();
  std::vector<typename NS::Group> groups;
  groups.emplace_back(std::vector<Tensor>{points},
                      std::make_unique<typename NS::AdamOptions>(0.05));
  groups.emplace_back(std::vector<Tensor>{colors},
                      std::make_unique<typename NS::AdamOptions>(0.02));
  typename NS::Adam optimizer(groups, typename NS::AdamOptions(0.01).eps(1e-15));

  const auto replace = [&](std::size_t group, Tensor& param, const Tensor& value, auto change) {
    auto old = optimizer.state().find(param.unsafeGetTensorImpl());
    auto state = std::make_unique<typename NS::AdamParamState>(
        static_cast<typename NS::AdamParamState&>(*old->second));
    optimizer.state().erase(param.unsafeGetTensorImpl());
    param = value.detach().requires_grad_();
    state->exp_avg(change(state->exp_avg()));
    state->exp_avg_sq(change(state->exp_avg_sq()));
    optimizer.state()[param.unsafeGetTensorImpl()] = std::move(state);
    optimizer.param_groups()[group].params()[0] = param;
  };

  std::vector<double> losses;
  for (int t = 0; t < 40; ++t) {
    const Tensor loss =
        (points.square().sum() + (colors - 0.5).abs().sum() + (points * colors).sin().sum()) /
        points.size(0);
    optimizer.zero_grad();
    loss.backward();
    optimizer.step();
    losses.push_back(loss.template item<double>());
    if (t % 10 == 4) {
      torch::manual_seed(60 + std::uint64_t(t));
      const auto zeros = [](const Tensor& x) { return torch::cat({x, torch::zeros({5, 3})}); };
      replace(0, points, torch::cat({points, torch::randn({5, 3})}), zeros);
      replace(1, colors, torch::cat({colors, torch::rand({5, 3})}), zeros);
    }
    if (t % 10 == 9) {
      const auto keep = [](const Tensor& x) { return x.slice(0, 3).clone(); };
      replace(0, points, keep(points), keep);
      replace(1, colors, keep(colors), keep);
    }
    const auto& state = static_cast<typename NS::AdamParamState&>(
        *optimizer.state().at(points.unsafeGetTensorImpl()));
    EXPECT_EQ(state.step(), t + 1);
  }
  return losses;
}
TEST(State, GrowsAndPrunesWithItsParameter) {
  expect_close(grow_and_prune<Torch>(), grow_and_prune<Ours>());
}

TEST(State, ClonesAreIndependent) {
  auto model = net();
  agmohd::AdamW optimizer(model->parameters(), 1e-2);
  train(*model, optimizer, 0, 3);
  auto& state = *optimizer.state().begin()->second;
  const std::unique_ptr<torch::optim::OptimizerParamState> clone = state.clone();
  train(*model, optimizer, 3, 5);
  EXPECT_EQ(static_cast<agmohd::AdamWParamState&>(*clone).step(), 3);
  EXPECT_EQ(static_cast<agmohd::AdamWParamState&>(state).step(), 5);
}

TEST(State, AStepSetByHandGivesThatBiasCorrection) {
  Tensor a = torch::ones({4}).requires_grad_(), b = torch::ones({4}).requires_grad_();
  torch::optim::Adam stock(std::vector<Tensor>{a}, torch::optim::AdamOptions(0.1));
  agmohd::Adam ours(std::vector<Tensor>{b}, agmohd::AdamOptions(0.1));
  const auto set = [](auto& optimizer, const Tensor& p, auto state) {
    state->step(7);
    state->exp_avg(torch::full({4}, 0.3));
    state->exp_avg_sq(torch::full({4}, 0.2));
    optimizer.state()[p.unsafeGetTensorImpl()] = std::move(state);
    p.mutable_grad() = torch::full({4}, 0.5);
    optimizer.step();
  };
  set(stock, a, std::make_unique<torch::optim::AdamParamState>());
  set(ours, b, std::make_unique<agmohd::AdamParamState>());
  EXPECT_TRUE(torch::allclose(a, b, 1e-6, 0));
}

}  // namespace
