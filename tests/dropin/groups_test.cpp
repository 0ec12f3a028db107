// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// Groups that are added.

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <agmohd/agmohd.hpp>
#include <memory>
#include <sstream>
#include <tuple>
#include <vector>

#include "program.hpp"

namespace {

using namespace testing_dropin;

// 2.15 loses what a custom optimizer's groups set, and takes an explicit constructor default for
// unset: these check that ours does neither, on both versions.
TEST(Groups, InheritWhatTheyLeaveUnset) {
  const auto p = [] { return std::vector<Tensor>{torch::randn({2}, torch::requires_grad())}; };
  std::vector<agmohd::OptimizerParamGroup> groups;
  groups.emplace_back(
      p(), std::make_unique<agmohd::AdamWOptions>(agmohd::AdamWOptions().weight_decay(0.25)));
  groups.emplace_back(p(),
                      std::make_unique<agmohd::AdamWOptions>(1e-3));  // the default, set explicitly
  groups.emplace_back(p(), std::make_unique<agmohd::AdamWOptions>(
                               agmohd::AdamWOptions().betas({0.9, 0.999}).eps(1e-8)));
  groups.emplace_back(p());
  agmohd::AdamW optimizer(groups,
                          agmohd::AdamWOptions(5e-4).betas({0.8, 0.9}).eps(1e-6).weight_decay(0.5));
  optimizer.add_param_group(agmohd::OptimizerParamGroup(
      p(), std::make_unique<agmohd::AdamWOptions>(
               agmohd::AdamWOptions(1e-3).weight_decay(1e-2).amsgrad(true))));
  optimizer.add_param_group(agmohd::OptimizerParamGroup(p()));
  const auto check = [](agmohd::AdamW& o) {
    const auto options = [&](std::size_t g) -> const agmohd::AdamWOptions& {
      return static_cast<const agmohd::AdamWOptions&>(o.param_groups()[g].options());
    };
    using Betas = std::tuple<double, double>;
    EXPECT_EQ(options(0).lr(), 5e-4);
    EXPECT_EQ(options(0).weight_decay(), 0.25);
    EXPECT_EQ(options(0).betas(), Betas(0.8, 0.9));
    EXPECT_EQ(options(1).lr(), 1e-3);
    EXPECT_EQ(options(1).weight_decay(), 0.5);
    EXPECT_EQ(options(2).betas(), Betas(0.9, 0.999));
    EXPECT_EQ(options(2).eps(), 1e-8);
    EXPECT_EQ(options(2).lr(), 5e-4);
    EXPECT_EQ(options(3).betas(), Betas(0.8, 0.9));
    EXPECT_EQ(options(3).eps(), 1e-6);
    EXPECT_EQ(options(4).lr(), 1e-3);
    EXPECT_EQ(options(4).weight_decay(), 1e-2);
    EXPECT_TRUE(options(4).amsgrad());
    EXPECT_EQ(options(5).weight_decay(), 0.5);
    EXPECT_FALSE(options(5).amsgrad());
  };
  check(optimizer);
  std::stringstream file;
  torch::save(optimizer, file);
  std::vector<agmohd::OptimizerParamGroup> plain;
  for (int i = 0; i < 6; ++i) plain.emplace_back(p());
  agmohd::AdamW loaded(plain, agmohd::AdamWOptions(0.1));
  torch::load(loaded, file);
  check(loaded);
}

TEST(Groups, AddedThroughTheBaseClassTrain) {
  auto model = net();
  agmohd::SGD optimizer(model->a->parameters(), agmohd::SGDOptions(0.05));
  torch::optim::Optimizer& base = optimizer;
  base.add_param_group(torch::optim::OptimizerParamGroup(model->b->parameters()));
  const Tensor before = model->b->weight.detach().clone();
  train(*model, base, 0, 1);
  EXPECT_FALSE(torch::equal(before, model->b->weight));
}

}  // namespace
