// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// The options, groups and states of RMSprop and Adagrad, in both namespaces.

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <agmohd/agmohd.hpp>
#include <memory>
#include <utility>
#include <vector>

#include "program.hpp"

namespace {

using namespace testing_dropin;

/// The losses of 50 steps with each of these options, every other one with a closure, and the sum
/// and the norm of each parameter at the end.
template <class Optimizer, class Options>
std::vector<double> trained(const std::vector<Options>& all, at::ScalarType dtype) {
  std::vector<double> out;
  for (const Options& options : all) {
    auto model = net();
    model->to(dtype);
    Optimizer optimizer(model->parameters(), options);
    for (int t = 0; t < 50; ++t) {
      const auto closure = [&]() {
        optimizer.zero_grad();
        Tensor loss = loss_of(*model, t);
        loss.backward();
        return loss;
      };
      if (t % 2 == 0) {
        out.push_back(optimizer.step(closure).template item<double>());
      } else {
        out.push_back(closure().template item<double>());
        optimizer.step();
      }
    }
    for (const Tensor& p : model->parameters()) {
      out.push_back(p.sum().template item<double>());
      out.push_back(p.norm().template item<double>());
    }
  }
  return out;
}
template <class NS>
std::vector<double> rmsprops(at::ScalarType dtype) {
  using O = typename NS::RMSpropOptions;
  return trained<typename NS::RMSprop>(
      std::vector<O>{O(), O(2e-3).alpha(0.9).eps(1e-4).weight_decay(0.1), O(1e-3).momentum(0.9),
                     O(1e-3).centered(true).eps(1e-3),
                     O(2e-3).alpha(0.8).eps(1e-3).momentum(0.5).centered(true).weight_decay(0.01)},
      dtype);
}
template <class NS>
std::vector<double> adagrads(at::ScalarType dtype) {
  using O = typename NS::AdagradOptions;
  return trained<typename NS::Adagrad>(
      std::vector<O>{O(), O(0.1).lr_decay(0.05), O(0.1).initial_accumulator_value(0.1),
                     O(0.05).weight_decay(0.1).eps(1e-3),
                     O(0.2).lr_decay(0.01).weight_decay(0.01).initial_accumulator_value(0.5)},
      dtype);
}
TEST(DropIn, OptionsOfRMSprop) {
  expect_close(rmsprops<Torch>(at::kFloat), rmsprops<Ours>(at::kFloat), 2e-5);
  expect_close(rmsprops<Torch>(at::kDouble), rmsprops<Ours>(at::kDouble), 1e-11);
}
TEST(DropIn, OptionsOfAdagrad) {
  expect_close(adagrads<Torch>(at::kFloat), adagrads<Ours>(at::kFloat), 2e-5);
  expect_close(adagrads<Torch>(at::kDouble), adagrads<Ours>(at::kDouble), 1e-11);
}

template <class NS>
std::vector<double> groups_of_rmsprop() {
  auto model = net();
  using Options = typename NS::RMSpropOptions;
  std::vector<typename NS::Group> groups;
  groups.emplace_back(model->a->parameters());
  groups.emplace_back(std::vector<Tensor>{model->b->weight},
                      std::make_unique<Options>(Options(3e-3).alpha(0.8).momentum(0.7)));
  typename NS::RMSprop optimizer(groups, Options(2e-3).alpha(0.95).momentum(0.5));
  typename NS::StepLR halving(optimizer, 15, 0.5);
  auto losses = train(*model, optimizer, 0, 10);
  optimizer.add_param_group(typename NS::Group(
      {model->b->bias}, std::make_unique<Options>(Options(1e-3).alpha(0.9).momentum(0.2))));
  for (int t = 10; t < 50; ++t) {
    losses.push_back(train(*model, optimizer, t, t + 1)[0]);
    if (t < 30) halving.step();
    if (t != 30) continue;
    // In a program's file that knows torch.optim's types alone.
    auto& options =
        static_cast<torch::optim::RMSpropOptions&>(optimizer.param_groups()[1].options());
    losses.push_back(options.lr());
    losses.push_back(options.alpha());
    losses.push_back(options.momentum());
    options.lr(2e-3).alpha(0.7).eps(1e-4).momentum(0.6);
    options.weight_decay() = 0.1;
    for (auto& group : optimizer.param_groups()) {
      group.options().set_lr(group.options().get_lr() / 2);
    }
    EXPECT_EQ(static_cast<Options&>(optimizer.param_groups()[1].options()).weight_decay(), 0.1);
    EXPECT_EQ(static_cast<Options&>(optimizer.param_groups()[1].options()).lr(), 1e-3);
  }
  return losses;
}
TEST(DropIn, GroupsOfRMSprop) {
  expect_close(groups_of_rmsprop<Torch>(), groups_of_rmsprop<Ours>());
}

template <class NS>
std::vector<double> groups_of_adagrad() {
  auto model = net();
  using Options = typename NS::AdagradOptions;
  std::vector<typename NS::Group> groups;
  groups.emplace_back(model->a->parameters());
  groups.emplace_back(model->b->parameters(),
                      std::make_unique<Options>(Options(0.1).lr_decay(0.02).eps(1e-6)));
  typename NS::Adagrad optimizer(groups, Options(0.05).lr_decay(0.01));
  typename NS::Plateau plateau(optimizer, NS::Plateau::min, 0.5F, 2);
  std::vector<double> losses;
  for (int t = 0; t < 50; ++t) {
    losses.push_back(train(*model, optimizer, t, t + 1)[0]);
    if (t < 20) plateau.step(float(losses.back()));
    if (t != 30) continue;
    auto& options =
        static_cast<torch::optim::AdagradOptions&>(optimizer.param_groups()[0].options());
    losses.push_back(options.lr());
    losses.push_back(options.lr_decay());
    options.lr(0.1).lr_decay(0.1).eps(1e-3);
    options.weight_decay() = 0.1;
    EXPECT_EQ(static_cast<Options&>(optimizer.param_groups()[0].options()).lr_decay(), 0.1);
  }
  return losses;
}
TEST(DropIn, GroupsOfAdagrad) {
  expect_close(groups_of_adagrad<Torch>(), groups_of_adagrad<Ours>());
}

/// What programs look at and change in the states of RMSprop and Adagrad.
template <class NS>
std::vector<double> states_of_rmsprop() {
  auto model = net();
  typename NS::RMSprop optimizer(
      model->parameters(),
      typename NS::RMSpropOptions(2e-3).alpha(0.9).eps(1e-3).momentum(0.8).centered(true));
  train(*model, optimizer, 0, 5);
  std::vector<double> seen;
  for (const Tensor& p : model->parameters()) {
    auto& state = static_cast<typename NS::RMSpropParamState&>(
        *optimizer.state().at(p.unsafeGetTensorImpl()));
    EXPECT_EQ(state.step(), 5);
    for (const Tensor& x : {state.square_avg(), state.momentum_buffer(), state.grad_avg()}) {
      seen.push_back(x.norm().template item<double>());
    }
    state.square_avg().mul_(2);
    state.momentum_buffer(torch::zeros_like(p));
    state.grad_avg() = state.grad_avg() / 2;
  }
  for (const double loss : train(*model, optimizer, 5, 15)) seen.push_back(loss);
  const typename NS::RMSprop& constant = optimizer;
  for (const auto& [key, state] : constant.state()) {
    EXPECT_EQ(static_cast<const typename NS::RMSpropParamState&>(*state).step(), 15);
  }
  return seen;
}
TEST(State, OfRMSprop) { expect_close(states_of_rmsprop<Torch>(), states_of_rmsprop<Ours>()); }

template <class NS>
std::vector<double> states_of_adagrad() {
  auto model = net();
  model->a->bias.set_requires_grad(false);
  typename NS::Adagrad optimizer(model->parameters(),
                                 typename NS::AdagradOptions(0.1).initial_accumulator_value(0.25));
  EXPECT_EQ(optimizer.state().size(), 4U);  // before the first step
  std::vector<double> seen;
  const auto look = [&](int step) {
    for (const Tensor& p : model->parameters()) {
      auto& state = static_cast<typename NS::AdagradParamState&>(
          *optimizer.state().at(p.unsafeGetTensorImpl()));
      EXPECT_EQ(state.step(), p.requires_grad() ? step : 0);
      EXPECT_EQ(state.sum().sizes(), p.sizes());
      seen.push_back(state.sum().mean().template item<double>());
    }
  };
  const auto state_of = [&](const Tensor& p) -> typename NS::AdagradParamState& {
    return static_cast<typename NS::AdagradParamState&>(
        *optimizer.state()[p.unsafeGetTensorImpl()]);
  };
  look(0);
  state_of(model->a->weight).sum().fill_(0.5);
  for (const double loss : train(*model, optimizer, 0, 5)) seen.push_back(loss);
  look(5);
  state_of(model->b->weight).sum(torch::full_like(model->b->weight, 2)).step(1);
  for (const double loss : train(*model, optimizer, 5, 15)) seen.push_back(loss);
  EXPECT_EQ(state_of(model->b->weight).step(), 11);
  return seen;
}
TEST(State, OfAdagrad) { expect_close(states_of_adagrad<Torch>(), states_of_adagrad<Ours>()); }

// Where torch.optim's Adagrad fails: a group that is added has no state there.
TEST(State, OfGroupsThatAdagradGetsLater) {
  auto model = net();
  agmohd::Adagrad optimizer(model->a->parameters(),
                            agmohd::AdagradOptions(0.1).initial_accumulator_value(0.25));
  train(*model, optimizer, 0, 2);
  optimizer.add_param_group(agmohd::OptimizerParamGroup({model->b->weight}));
  torch::optim::Optimizer& base = optimizer;
  base.add_param_group(torch::optim::OptimizerParamGroup({model->b->bias}));
  EXPECT_EQ(optimizer.state().size(), 3U);
  const Tensor before = model->b->bias.detach().clone();
  train(*model, optimizer, 2, 5);
  EXPECT_FALSE(torch::equal(model->b->bias, before));
  EXPECT_EQ(optimizer.state().size(), 4U);
  for (const auto& [tensor, steps] : {std::pair{model->a->weight, 5}, {model->b->bias, 3}}) {
    const auto& state = static_cast<const agmohd::AdagradParamState&>(
        *optimizer.state().at(tensor.unsafeGetTensorImpl()));
    EXPECT_EQ(state.step(), steps);
    EXPECT_TRUE((state.sum() > 0.25).all().item<bool>());
  }
}

}  // namespace
