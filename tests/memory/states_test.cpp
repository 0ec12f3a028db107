// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// Copies, and states that a program moves.

#include "states.hpp"

#include <gtest/gtest.h>
#include <torch/optim.h>
#include <torch/serialize.h>
#include <torch/types.h>

#include <agmohd/agmohd.hpp>
#include <memory>
#include <sstream>
#include <utility>
#include <vector>

namespace {

using namespace testing_memory;

struct Pair {
  Tensors params{torch::zeros({4}).requires_grad_(), torch::zeros({4}).requires_grad_()};
  agmohd::SGD optimizer{params, agmohd::SGDOptions(1).momentum(0.5)};

  Pair() {
    params[0].mutable_grad() = torch::ones({4});
    params[1].mutable_grad() = torch::full({4}, 10.0F);
    optimizer.step();
    optimizer.step();  // momenta 1.5 and 15
  }
  /// What the next step subtracts from each.
  std::vector<float> next_step() {
    const float before[] = {params[0][0].item<float>(), params[1][0].item<float>()};
    optimizer.step();
    return {before[0] - params[0][0].item<float>(), before[1] - params[1][0].item<float>()};
  }
};

TEST(States, SwappedWithoutAWordAreNoticed) {
  using Map = agmohd::StateMap;
  const auto swapped = [](Map& states, const Tensors& params) {
    std::swap(state_in(states, params[0]), state_in(states, params[1]));
  };
  {
    Pair pair;
    torch::optim::Optimizer& base = pair.optimizer;
    swapped(base.state(), pair.params);
    EXPECT_EQ(pair.next_step(), (std::vector<float>{0.5F * 15 + 1, 0.5F * 1.5F + 10}));
  }
  {
    Pair pair;
    Map& states = pair.optimizer.state();  // held over a step
    pair.optimizer.step();                 // momenta 1.75 and 17.5
    swapped(states, pair.params);
    EXPECT_EQ(pair.next_step(), (std::vector<float>{0.5F * 17.5F + 1, 0.5F * 1.75F + 10}));
  }
  {  // another map with the same states, exchanged
    Pair pair;
    Map& states = static_cast<torch::optim::Optimizer&>(pair.optimizer).state();
    Map other;
    other[pair.params[0].unsafeGetTensorImpl()] = std::move(state_in(states, pair.params[1]));
    other[pair.params[1].unsafeGetTensorImpl()] = std::move(state_in(states, pair.params[0]));
    std::swap(states, other);
    EXPECT_EQ(pair.next_step(), (std::vector<float>{0.5F * 15 + 1, 0.5F * 1.5F + 10}));
  }
  {  // one that is kept elsewhere: its parameter begins anew
    Pair pair;
    Map& states = static_cast<torch::optim::Optimizer&>(pair.optimizer).state();
    const auto kept = std::move(state_in(states, pair.params[0]));
    EXPECT_EQ(pair.next_step(), (std::vector<float>{1, 0.5F * 15 + 10}));
    EXPECT_EQ(static_cast<agmohd::SGDParamState&>(*kept).momentum_buffer()[0].item<float>(), 1.5F);
    std::ostringstream saved;
    torch::save(pair.optimizer, saved);
  }
  {  // many come and go: entries move within the map
    Pair pair;
    Map& states = static_cast<torch::optim::Optimizer&>(pair.optimizer).state();
    std::vector<char> keys(300);
    for (char& key : keys) states[&key] = std::make_unique<agmohd::SGDParamState>();
    EXPECT_EQ(pair.next_step(), (std::vector<float>{1.75F, 17.5F}));
    for (char& key : keys) states.erase(&key);
    EXPECT_EQ(pair.next_step(), (std::vector<float>{1.875F, 18.75F}));
  }
}

TEST(States, CopiesHaveTensorsOfTheirOwn) {
  Pair pair;
  auto& state = state_of<agmohd::SGDParamState>(pair.optimizer, pair.params[0]);
  const agmohd::SGDParamState copy(state);
  const auto clone = static_cast<const torch::optim::OptimizerParamState&>(state).clone();
  agmohd::SGDParamState assigned;
  assigned = state;
  pair.optimizer.step();
  for (const auto* const one : {&copy, static_cast<const agmohd::SGDParamState*>(clone.get()),
                                static_cast<const agmohd::SGDParamState*>(&assigned)}) {
    EXPECT_EQ(one->momentum_buffer()[0].item<float>(), 1.5F);
    EXPECT_EQ(one->step(), 2);
  }
  // A copy for another parameter is that one's alone.
  pair.optimizer.state()[pair.params[1].unsafeGetTensorImpl()] =
      std::make_unique<agmohd::SGDParamState>(copy);
  pair.optimizer.step();
  EXPECT_EQ(copy.momentum_buffer()[0].item<float>(), 1.5F);
}

}  // namespace
