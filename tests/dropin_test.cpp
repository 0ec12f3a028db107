// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// What a program that used torch::optim does, written once for both namespaces: it compiles with
// agmohd's types and trains as with torch's. Built against LibTorch 2.11 and 2.15.

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <agmohd/agmohd.hpp>
#include <sstream>
#include <vector>

namespace {

using torch::Tensor;

struct Torch {
  using SGD = torch::optim::SGD;
  using SGDOptions = torch::optim::SGDOptions;
  using SGDParamState = torch::optim::SGDParamState;
  using Adam = torch::optim::Adam;
  using AdamOptions = torch::optim::AdamOptions;
  using AdamParamState = torch::optim::AdamParamState;
  using AdamW = torch::optim::AdamW;
  using AdamWOptions = torch::optim::AdamWOptions;
  using AdamWParamState = torch::optim::AdamWParamState;
  using RMSprop = torch::optim::RMSprop;
  using RMSpropOptions = torch::optim::RMSpropOptions;
  using RMSpropParamState = torch::optim::RMSpropParamState;
  using Adagrad = torch::optim::Adagrad;
  using AdagradOptions = torch::optim::AdagradOptions;
  using AdagradParamState = torch::optim::AdagradParamState;
  using Group = torch::optim::OptimizerParamGroup;
  using StepLR = torch::optim::StepLR;
  using Plateau = torch::optim::ReduceLROnPlateauScheduler;
};
struct Ours {
  using SGD = agmohd::SGD;
  using SGDOptions = agmohd::SGDOptions;
  using SGDParamState = agmohd::SGDParamState;
  using Adam = agmohd::Adam;
  using AdamOptions = agmohd::AdamOptions;
  using AdamParamState = agmohd::AdamParamState;
  using AdamW = agmohd::AdamW;
  using AdamWOptions = agmohd::AdamWOptions;
  using AdamWParamState = agmohd::AdamWParamState;
  using RMSprop = agmohd::RMSprop;
  using RMSpropOptions = agmohd::RMSpropOptions;
  using RMSpropParamState = agmohd::RMSpropParamState;
  using Adagrad = agmohd::Adagrad;
  using AdagradOptions = agmohd::AdagradOptions;
  using AdagradParamState = agmohd::AdagradParamState;
  using Group = agmohd::OptimizerParamGroup;
  using StepLR = agmohd::StepLR;
  using Plateau = agmohd::ReduceLROnPlateauScheduler;
};

struct Net : torch::nn::Module {
  torch::nn::Linear a, b;
  Net()
      : a(register_module("a", torch::nn::Linear(6, 20))),
        b(register_module("b", torch::nn::Linear(20, 3))) {}
  Tensor forward(const Tensor& x) { return b(torch::tanh(a(x))); }
};

std::shared_ptr<Net> net() {
  torch::manual_seed(3);
  return std::make_shared<Net>();
}
Tensor loss_of(Net& model, int t) {
  torch::manual_seed(50 + std::uint64_t(t % 5));
  const auto dtype = model.a->weight.scalar_type();
  const Tensor x = torch::randn({32, 6}).to(dtype), y = torch::randn({32, 3}).to(dtype);
  return torch::mse_loss(model.forward(x), y);
}

/// Through the base class, as a program's own training function takes it.
std::vector<double> train(Net& model, torch::optim::Optimizer& optimizer, int from, int to) {
  std::vector<double> losses;
  for (int t = from; t < to; ++t) {
    optimizer.zero_grad();
    Tensor loss = loss_of(model, t);
    loss.backward();
    optimizer.step();
    losses.push_back(loss.item<double>());
  }
  return losses;
}

void expect_close(const std::vector<double>& a, const std::vector<double>& b, double bound = 1e-5) {
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i)
    EXPECT_NEAR(a[i], b[i], bound * (1 + std::abs(a[i]))) << "step " << i;
}
void expect_same(const std::vector<Tensor>& a, const std::vector<Tensor>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i)
    EXPECT_TRUE(torch::equal(a[i], b[i])) << "parameter " << i;
}

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

template <class NS>
std::vector<double> schedulers() {
  auto model = net();
  typename NS::AdamW optimizer(model->parameters(), typename NS::AdamWOptions(2e-2));
  typename NS::StepLR by_step(optimizer, 5, 0.5);
  typename NS::Plateau plateau(optimizer, NS::Plateau::min, 0.5F, 2);
  std::vector<double> losses;
  for (int t = 0; t < 30; ++t) {
    losses.push_back(train(*model, optimizer, t, t + 1)[0]);
    by_step.step();
    plateau.step(float(losses.back()));
  }
  return losses;
}
TEST(DropIn, SchedulersOfTorch) { expect_close(schedulers<Torch>(), schedulers<Ours>()); }

// ---- RMSprop and Adagrad

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

TEST(Scheduler, DrivesAStockOptimizerAndIsSaved) {
  using Schedule = agmohd::schedule::Warmup<agmohd::schedule::Cosine>;
  const Schedule::Options plan{.warmup_steps = 3, .after = {.total_steps = 20, .min_factor = 0.1}};
  Tensor p = torch::ones({2}).requires_grad_();
  torch::optim::SGD stock(std::vector<Tensor>{p}, torch::optim::SGDOptions(0.4));
  agmohd::schedule::Scheduler<Schedule> scheduler(stock, plan);
  std::stringstream file;
  for (int t = 0; t < 25; ++t) {
    EXPECT_DOUBLE_EQ(stock.param_groups()[0].options().get_lr(), 0.4 * Schedule::factor(plan, t))
        << t;
    scheduler.step();
    if (t == 9) torch::save(scheduler, file);
  }
  torch::optim::SGD other(std::vector<Tensor>{p}, torch::optim::SGDOptions(7));
  agmohd::schedule::Scheduler<Schedule> loaded(other, plan);
  torch::load(loaded, file);
  EXPECT_DOUBLE_EQ(other.param_groups()[0].options().get_lr(), 0.4 * Schedule::factor(plan, 10));
  loaded.step();
  EXPECT_DOUBLE_EQ(other.param_groups()[0].options().get_lr(), 0.4 * Schedule::factor(plan, 11));
}

}  // namespace
