// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// The table of parameters, and records of those that are gone.

#include <gtest/gtest.h>
#include <torch/optim.h>
#include <torch/types.h>

#include <agmohd/agmohd.hpp>
#include <memory>
#include <utility>
#include <vector>

#include "states.hpp"

namespace {

using namespace testing_memory;

TEST(Waves, FollowTheMemory) {
  using Recipe = agmohd::AdamW::Recipe;
  Tensors params;
  for (int i = 0; i < 3; ++i) params.push_back(torch::ones({8}).requires_grad_());
  const std::vector<torch::optim::OptimizerParamGroup> groups{
      torch::optim::OptimizerParamGroup(params)};
  agmohd::Settings<Recipe> settings;
  settings.groups.resize(1);
  agmohd::Binder<Recipe> binder;
  agmohd::StateMap states;
  const auto waves = [&] {
    for (const Tensor& p : params) p.mutable_grad() = torch::ones({8});
    EXPECT_TRUE(binder.bind(groups, states, settings));
    std::vector<int> out;
    for (const auto& ref : binder.devices()[0].refs) out.push_back(ref.wave);
    return out;
  };
  EXPECT_EQ(waves(), (std::vector<int>{0, 0, 0}));
  params[2].set_data(params[0].detach());
  EXPECT_EQ(waves(), (std::vector<int>{0, 0, 1}));
  EXPECT_EQ(waves(), (std::vector<int>{0, 0, 1}));
  params[1].set_data(params[0].detach());
  EXPECT_EQ(waves(), (std::vector<int>{0, 1, 2}));
  params[0].set_data(torch::zeros({8}));
  EXPECT_EQ(waves(), (std::vector<int>{0, 0, 1}));
  params[1].set_data(torch::zeros({8}));
  EXPECT_EQ(waves(), (std::vector<int>{0, 0, 0}));
}

TEST(Records, OfStatesThatAreGoneAreUsedAgain) {
  using Recipe = agmohd::AdamW::Recipe;
  Tensors params;
  for (int i = 0; i < 10; ++i) params.push_back(torch::ones({3}).requires_grad_());
  for (const Tensor& p : params) p.mutable_grad() = torch::ones({3});
  const std::vector<torch::optim::OptimizerParamGroup> groups{
      torch::optim::OptimizerParamGroup(params)};
  agmohd::Settings<Recipe> settings;
  settings.groups.resize(1);
  agmohd::Binder<Recipe> binder;
  agmohd::StateMap states;
  std::unique_ptr<torch::optim::OptimizerParamState> survivor;
  for (int load = 0; load < 60; ++load) {
    ASSERT_TRUE(binder.bind(groups, states, settings));
    std::vector<bool> used(11);
    for (const auto& ref : binder.devices()[0].refs) {
      ASSERT_LT(ref.per_tensor, 11) << load;
      EXPECT_FALSE(used[std::size_t(ref.per_tensor)]);
      used[std::size_t(ref.per_tensor)] = true;
    }
    if (load % 2 == 0) {
      states.clear();
    } else if (load % 4 == 1) {
      for (auto& [key, state] : states) static_cast<agmohd::AdamWParamState&>(*state).step(3);
    } else {
      survivor = std::move(state_in(states, params[4]));  // keeps its record
      binder.invalidate();
    }
  }
  agmohd::AdamWParamState kept;
  {
    agmohd::AdamW optimizer(params, 0.1);
    optimizer.step();
    survivor = std::move(state_in(optimizer.state(), params[0]));
  }
  EXPECT_EQ(static_cast<agmohd::AdamWParamState&>(*survivor).step(), 1) << "outlives its optimizer";
}

}  // namespace
