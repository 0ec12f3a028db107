// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// What a program that used torch::optim does, written once for both namespaces: options, groups,
// closures. It compiles with agmohd's types and trains as with torch's. Built against LibTorch 2.11
// and 2.15.

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <memory>
#include <tuple>
#include <utility>
#include <vector>

#include "program.hpp"

namespace {

using namespace testing_dropin;

template <class NS>
std::vector<double> options_by_chain() {
  auto model = net();
  typename NS::AdamW optimizer(
      model->parameters(),
      typename NS::AdamWOptions(1e-2).betas({0.9, 0.95}).weight_decay(0.1).eps(1e-7));
  auto& options = static_cast<typename NS::AdamWOptions&>(optimizer.param_groups()[0].options());
  EXPECT_EQ(std::get<1>(options.betas()), 0.95);
  options.lr() = 8e-3;  // through the reference
  std::get<0>(options.betas()) = 0.88;
  auto losses = train(*model, optimizer, 0, 10);
  static_cast<typename NS::AdamWOptions&>(optimizer.param_groups()[0].options())
      .lr(5e-3)
      .amsgrad(false);
  optimizer.param_groups()[0].options().set_lr(optimizer.param_groups()[0].options().get_lr() / 2);
  for (const double l : train(*model, optimizer, 10, 30)) losses.push_back(l);
  return losses;
}
TEST(DropIn, ChainedOptionsAndCasts) {
  expect_close(options_by_chain<Torch>(), options_by_chain<Ours>());
}

template <class NS>
std::vector<double> a_bare_rate() {
  auto model = net();
  typename NS::SGD optimizer(model->parameters(), /*lr=*/0.05);
  return train(*model, optimizer, 0, 15);
}
TEST(DropIn, ARateInPlaceOfOptions) { expect_close(a_bare_rate<Torch>(), a_bare_rate<Ours>()); }

template <class NS>
std::vector<double> groups() {
  auto model = net();
  std::vector<typename NS::Group> groups;
  groups.emplace_back(model->a->parameters());
  auto own = std::make_unique<typename NS::SGDOptions>(0.02);
  own->momentum(0.8).weight_decay(0.01).nesterov(true);
  groups.emplace_back(std::vector<Tensor>{model->b->weight}, std::move(own));
  typename NS::SGD optimizer(groups, typename NS::SGDOptions(0.05).momentum(0.9));
  auto losses = train(*model, optimizer, 0, 5);
  auto late = std::make_unique<typename NS::SGDOptions>(0.01);
  late->momentum(0.5).dampening(0.1);
  optimizer.add_param_group(typename NS::Group({model->b->bias}, std::move(late)));
  EXPECT_EQ(optimizer.param_groups().size(), 3U);
  for (const double l : train(*model, optimizer, 5, 20)) losses.push_back(l);
  return losses;
}
TEST(DropIn, GroupsWithAndWithoutOptions) { expect_close(groups<Torch>(), groups<Ours>()); }

template <class NS>
std::vector<double> closures() {
  auto model = net();
  typename NS::Adam optimizer(model->parameters(),
                              typename NS::AdamOptions(1e-2).amsgrad(true).weight_decay(0.01));
  std::vector<double> losses;
  for (int t = 0; t < 20; ++t) {
    const Tensor loss = optimizer.step([&]() {
      optimizer.zero_grad(/*set_to_none=*/t % 2 == 0);
      Tensor l = loss_of(*model, t);
      l.backward();
      return l;
    });
    losses.push_back(loss.item<double>());
  }
  EXPECT_FALSE(optimizer.step({}).defined());
  EXPECT_FALSE(optimizer.step(nullptr).defined());
  return losses;
}
TEST(DropIn, Closures) { expect_close(closures<Torch>(), closures<Ours>()); }

}  // namespace
