// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// Checkpoints go both ways.

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <memory>
#include <sstream>
#include <type_traits>
#include <vector>

#include "program.hpp"

namespace {

using namespace testing_dropin;

/// Saves after some steps through a base reference, loads into a fresh optimizer, and goes on.
template <class To, class From>
void continues(From& from, Net& first, To& to, Net& second, bool same_bits, int trained = 10) {
  train(first, from, 0, trained);
  std::stringstream model, state;
  torch::save(first.parameters(), model);
  torch::save(static_cast<torch::optim::Optimizer&>(from), state);
  std::vector<Tensor> values;
  torch::load(values, model);
  {
    const torch::NoGradGuard no_grad;
    for (std::size_t i = 0; i < values.size(); ++i) second.parameters()[i].copy_(values[i]);
  }
  torch::load(static_cast<torch::optim::Optimizer&>(to), state);
  const auto a = train(first, from, 10, 25), b = train(second, to, 10, 25);
  expect_close(a, b);
  if (same_bits) expect_same(first.parameters(), second.parameters());
}

template <class From, class To>
void checkpoints() {
  {
    auto a = net(), b = net();
    typename From::SGD from(a->parameters(),
                            typename From::SGDOptions(0.03).momentum(0.9).dampening(0.2));
    typename To::SGD to(b->parameters(), typename To::SGDOptions(0.5));
    continues(from, *a, to, *b, std::is_same_v<From, To>);
    EXPECT_EQ(static_cast<typename To::SGDOptions&>(to.param_groups()[0].options()).dampening(),
              0.2);
  }
  {
    auto a = net(), b = net();
    typename From::Adam from(a->parameters(), typename From::AdamOptions(0.01).amsgrad(true));
    typename To::Adam to(b->parameters(), typename To::AdamOptions(0.5));
    continues(from, *a, to, *b, std::is_same_v<From, To>);
  }
  {
    auto a = net(), b = net();
    std::vector<typename From::Group> groups;
    groups.emplace_back(a->a->parameters(), std::make_unique<typename From::AdamWOptions>(0.02));
    groups.emplace_back(a->b->parameters());
    typename From::AdamW from(groups, typename From::AdamWOptions(0.01).betas({0.8, 0.9}));
    std::vector<typename To::Group> others;
    others.emplace_back(b->a->parameters());
    others.emplace_back(b->b->parameters());
    typename To::AdamW to(others, typename To::AdamWOptions(0.5));
    continues(from, *a, to, *b, std::is_same_v<From, To>);
    EXPECT_EQ(to.param_groups()[0].options().get_lr(), 0.02);
    EXPECT_EQ(to.param_groups()[1].options().get_lr(), 0.01);
  }
  for (const bool rich : {false, true}) {
    auto a = net(), b = net();
    typename From::RMSpropOptions options(0.003);
    if (rich) options.alpha(0.9).eps(1e-4).momentum(0.9).centered(true).weight_decay(0.01);
    typename From::RMSprop from(a->parameters(), options);
    typename To::RMSprop to(b->parameters(), typename To::RMSpropOptions(0.5));
    continues(from, *a, to, *b, std::is_same_v<From, To>);
    const auto& loaded = static_cast<torch::optim::RMSpropOptions&>(to.param_groups()[0].options());
    EXPECT_EQ(loaded.lr(), 0.003);
    EXPECT_EQ(loaded.alpha(), rich ? 0.9 : 0.99);
    EXPECT_EQ(loaded.centered(), rich);
  }
  for (const int trained : {10, 0}) {
    auto a = net(), b = net();
    typename From::Adagrad from(
        a->parameters(),
        typename From::AdagradOptions(0.1).lr_decay(0.01).initial_accumulator_value(0.2));
    typename To::Adagrad to(b->parameters(), typename To::AdagradOptions(0.5));
    continues(from, *a, to, *b, std::is_same_v<From, To>, trained);
    const auto& loaded = static_cast<torch::optim::AdagradOptions&>(to.param_groups()[0].options());
    EXPECT_EQ(loaded.lr_decay(), 0.01);
    EXPECT_EQ(loaded.initial_accumulator_value(), 0.2);
  }
}
TEST(Checkpoints, OfTorchLoadIntoOurs) { checkpoints<Torch, Ours>(); }
TEST(Checkpoints, OfOursResumeWithTheSameBits) { checkpoints<Ours, Ours>(); }
TEST(Checkpoints, OfOursLoadIntoTorch) { checkpoints<Ours, Torch>(); }

}  // namespace
