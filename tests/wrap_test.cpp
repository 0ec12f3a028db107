// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// Averages and Lookahead against their golden files, and what the files do not show.

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <agmohd/agmohd.hpp>
#include <agmohd/wrap/ema.hpp>
#include <agmohd/wrap/lookahead.hpp>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "golden.hpp"

namespace {

using agmohd::wrap::EMA;
using agmohd::wrap::Lookahead;
using agmohd::wrap::SWA;
using golden::Inputs;
using golden::Scenario;
using golden::Tensors;

void expect_close(const Tensors& got, const Tensors& want, double bound, const std::string& what) {
  ASSERT_EQ(got.size(), want.size()) << what;
  for (std::size_t i = 0; i < got.size(); ++i) {
    const at::Tensor x = got[i].to(at::kDouble), y = want[i].to(at::kDouble);
    if (y.numel() == 0) continue;
    EXPECT_LE((x - y).norm().item<double>(), bound * y.norm().item<double>()) << what << " " << i;
  }
}

/// Trains as the scenario says. step(optimizer, n) takes step number n, from 1.
template <class Optimizer, class Step>
void follow(const Scenario& scenario, const Inputs& inputs, const Tensors& params,
            const typename Optimizer::Options& options, at::ScalarType dtype, const Step& step) {
  std::vector<torch::optim::OptimizerParamGroup> first;
  const auto group = [&](const golden::Group& given) {
    Tensors members;
    for (const std::int64_t i : given.tensors) members.push_back(params[std::size_t(i)]);
    torch::optim::OptimizerParamGroup out(members);
    if (given.options.empty()) return out;
    typename Optimizer::Options own(given.options.at("lr").toDouble());
    if (given.options.contains("weight_decay")) {
      own.weight_decay(given.options.at("weight_decay").toDouble());
    }
    out.set_options(std::make_unique<typename Optimizer::Options>(own));
    return out;
  };
  for (const auto& given : scenario.groups()) {
    if (given.joins == 0) first.push_back(group(given));
  }
  Optimizer optimizer(first, options);
  auto stepped = step(optimizer);
  for (std::int64_t n = 0; n < golden::kSteps; ++n) {
    for (const auto& given : scenario.groups()) {
      if (given.joins > 0 && given.joins == n) optimizer.add_param_group(group(given));
    }
    const Tensors gradients = inputs.gradients(n, torch::dtype(dtype));
    for (std::size_t i = 0; i < params.size(); ++i) params[i].mutable_grad() = gradients[i];
    stepped(n + 1);
  }
}

double number(const Scenario& scenario, const char* name) {
  return scenario.options().at(name).toDouble();
}

template <class Optimizer>
void expect_lookahead(const std::string& name, const typename Optimizer::Options& options) {
  const Inputs inputs;
  const Scenario scenario(name);
  for (const at::ScalarType dtype : {at::kFloat, at::kDouble}) {
    Tensors params = inputs.initial(torch::dtype(dtype));
    for (at::Tensor& p : params) p.requires_grad_();
    const auto expected = scenario.expected(inputs, dtype);
    const double bound = dtype == at::kDouble ? 1e-12 : 3e-6;
    follow<Optimizer>(scenario, inputs, params, options, dtype, [&](Optimizer& optimizer) {
      auto look = std::make_shared<Lookahead<Optimizer>>(
          optimizer,
          agmohd::wrap::LookaheadOptions{scenario.options().at("lookahead_steps").toInt(),
                                         scenario.options().at("lookahead_alpha").toDouble()});
      return [&, look](std::int64_t n) {
        look->step();
        if (!golden::is_snapshot(n)) return;
        const std::string key = "params_" + std::to_string(n);
        expect_close(params, expected.tensors.at(key), bound, name + " " + key);
      };
    });
  }
}

template <class Optimizer, class Average>
void expect_average(const std::string& name, const typename Optimizer::Options& options,
                    const typename Average::Options& how) {
  const Inputs inputs;
  const Scenario scenario(name);
  for (const at::ScalarType dtype : {at::kFloat, at::kDouble}) {
    Tensors params = inputs.initial(torch::dtype(dtype));
    for (at::Tensor& p : params) p.requires_grad_();
    const auto expected = scenario.expected(inputs, dtype);
    const double bound = dtype == at::kDouble ? 1e-12 : 3e-6;
    auto average = std::make_shared<Average>(params, how);
    follow<Optimizer>(scenario, inputs, params, options, dtype, [&](Optimizer& optimizer) {
      return [&](std::int64_t n) {
        optimizer.step();
        average->update();
        const std::string key = "average_" + std::to_string(n);
        if (!expected.tensors.contains(key)) return;
        expect_close(average->averages(), expected.tensors.at(key), bound, name + " " + key);
      };
    });
  }
}

TEST(Wrap, LookaheadFollowsItsPeer) {
  expect_lookahead<agmohd::SGD>(
      "lookahead_sgd", agmohd::SGDOptions(number(Scenario("lookahead_sgd"), "lr")).momentum(0.9));
  expect_lookahead<agmohd::AdamW>(
      "lookahead_adamw",
      agmohd::AdamWOptions(number(Scenario("lookahead_adamw"), "lr")).weight_decay(0.1));
}

TEST(Wrap, AveragesFollowTorch) {
  expect_average<agmohd::SGD, EMA>(
      "ema_sgd", agmohd::SGDOptions(number(Scenario("ema_sgd"), "lr")).momentum(0.9),
      {.decay = 0.9});
  expect_average<agmohd::AdamW, EMA>(
      "ema_adamw", agmohd::AdamWOptions(number(Scenario("ema_adamw"), "lr")).weight_decay(0.1),
      {.decay = 0.99});
  expect_average<agmohd::SGD, SWA>(
      "ema_swa_sgd", agmohd::SGDOptions(number(Scenario("ema_swa_sgd"), "lr")).momentum(0.9),
      {.start = 50, .every = 5});
}

TEST(Wrap, AveragesOfHalfPrecisionAreWide) {
  const at::Tensor p = at::full({4}, 1.0, at::kBFloat16);
  EMA ema({p}, {.decay = 0.999});
  ema.update();
  p.fill_(2.0);
  for (int i = 0; i < 10; ++i) ema.update();
  EXPECT_EQ(ema.averages()[0].scalar_type(), at::kFloat);
  EXPECT_NEAR(ema.averages()[0][0].item<double>(), 2 - std::pow(0.999, 10), 1e-6);
}

TEST(Wrap, SwapIsItsOwnInverse) {
  const auto close = [](const at::Tensor& got, const at::Tensor& want) {
    return at::allclose(got, want, 0, 1e-6);  // values up to 4, some next to zero
  };
  const Tensors params{at::randn({3, 5}), at::randn({7}, at::kDouble), at::empty({0})};
  const Tensors before{params[0].clone(), params[1].clone(), params[2].clone()};
  SWA average(params);
  average.swap();  // nothing to swap with
  EXPECT_FALSE(average.swapped());
  EXPECT_TRUE(at::equal(params[0], before[0]));
  average.update();
  for (const at::Tensor& p : params) p.add_(1);
  average.update();
  average.swap();
  EXPECT_TRUE(close(params[0], before[0] + 0.5));
  EXPECT_TRUE(close(average.averages()[0], before[0] + 1));
  EXPECT_THROW(average.update(), c10::Error);
  torch::serialize::OutputArchive archive;
  EXPECT_THROW(average.save(archive), c10::Error);
  average.swap();
  for (std::size_t i = 0; i < 2; ++i) {
    EXPECT_TRUE(close(params[i], before[i] + 1));
    EXPECT_TRUE(close(average.averages()[i], before[i] + 0.5));
  }
}

TEST(Wrap, AveragesAreSavedAndLoaded) {
  const Tensors params{at::randn({3, 5}), at::randn({7})};
  EMA one(params, {.decay = 0.5}), other(params, {.decay = 0.5});
  one.update(), params[0].add_(1), one.update();
  torch::serialize::OutputArchive written;
  one.save(written);
  std::stringstream file;
  written.save_to(file);
  torch::serialize::InputArchive read;
  read.load_from(file);
  other.load(read);
  EXPECT_EQ(other.steps(), 2);
  for (int i = 0; i < 2; ++i) {
    for (std::size_t j = 0; j < 2; ++j) {
      EXPECT_TRUE(at::equal(one.averages()[j], other.averages()[j]));
    }
    one.update(), other.update();
  }
  std::stringstream again(file.str());
  torch::serialize::InputArchive bad;
  bad.load_from(again);
  EMA three({at::randn({3, 5}), at::randn({8})});
  three.update();
  const at::Tensor kept = three.averages()[0].clone();
  EXPECT_THROW(three.load(bad), c10::Error);
  EXPECT_EQ(three.averaged(), 1);
  EXPECT_TRUE(at::equal(three.averages()[0], kept));
  EMA fewer({at::randn({3, 5})});
  EXPECT_THROW(fewer.load(bad), c10::Error);
}

TEST(Wrap, FollowModelsThatAreMovedAndGroupsThatChange) {
  torch::nn::Linear model(torch::nn::LinearOptions(1, 1).bias(false));
  const at::Tensor p = model->weight;
  const torch::NoGradGuard no_grad;
  p.fill_(1);
  EMA ema({p}, {.decay = 0.5});
  ema.update();
  model->to(at::kDouble);
  model->weight.fill_(3);
  ema.update();
  EXPECT_EQ(ema.averages()[0].item<double>(), 2);
  EXPECT_EQ(ema.averages()[0].scalar_type(), at::kDouble);

  at::Tensor a = at::ones({1}).requires_grad_(), b = at::ones({1}).requires_grad_(),
             c = at::ones({1}).requires_grad_();
  torch::optim::SGD sgd(
      {torch::optim::OptimizerParamGroup({a}), torch::optim::OptimizerParamGroup({b})},
      torch::optim::SGDOptions(1.0));
  Lookahead look(sgd, {.steps = 1, .alpha = 0.5});
  sgd.param_groups()[0].params().push_back(c);
  for (at::Tensor* const x : {&a, &b, &c}) x->mutable_grad() = at::ones({1});
  look.step();
  for (const at::Tensor& x : {a, b, c}) EXPECT_EQ(x.item<double>(), 0.5);
}

TEST(Wrap, LookaheadResumes) {
  const auto make = [] { return at::ones({2}).requires_grad_(); };
  const at::Tensor p = make(), q = make();
  torch::optim::SGD one({p}, torch::optim::SGDOptions(0.1)),
      other({q}, torch::optim::SGDOptions(0.1));
  Lookahead a(one, {.steps = 3}), b(other, {.steps = 3});
  const auto run = [](auto& look, const at::Tensor& x, int steps) {
    for (int i = 0; i < steps; ++i) {
      x.mutable_grad() = x.detach().clone();
      look.step();
    }
  };
  run(a, p, 4);
  torch::serialize::OutputArchive written;
  a.save(written);
  std::stringstream file;
  written.save_to(file);
  torch::serialize::InputArchive read;
  read.load_from(file);
  {
    const torch::NoGradGuard no_grad;
    q.copy_(p);
  }
  b.load(read);
  run(a, p, 5), run(b, q, 5);
  EXPECT_TRUE(at::equal(p, q));
}

TEST(Wrap, BadOptionsAndParametersAreRefused) {
  const Tensors params{at::randn({3})};
  EXPECT_THROW(EMA(params, {.decay = 1.5}), c10::Error);
  EXPECT_THROW(EMA(params, {.every = 0}), c10::Error);
  EXPECT_THROW(SWA({at::ones({3}, at::kLong)}), c10::Error);
  torch::optim::SGD sgd(params, torch::optim::SGDOptions(0.1));
  EXPECT_THROW((Lookahead<torch::optim::SGD>(sgd, {.steps = 0})), c10::Error);
  EXPECT_THROW((Lookahead<torch::optim::SGD>(sgd, {.alpha = -1})), c10::Error);
}

TEST(Wrap, LookaheadGoesAroundStockOptimizersAndTheirClosures) {
  const at::Tensor p = at::ones({2}).requires_grad_();
  torch::optim::SGD sgd({p}, torch::optim::SGDOptions(1.0));
  Lookahead look(sgd, {.steps = 2, .alpha = 0.5});
  for (int i = 0; i < 2; ++i) {
    const at::Tensor loss = look.step([&] {
      look.zero_grad();
      const at::Tensor sum = p.sum();
      sum.backward();
      return sum;
    });
    EXPECT_EQ(loss.item<double>(), 2 - 2 * i);
  }
  EXPECT_TRUE(at::equal(p.detach(), at::zeros({2})));  // 1 + 0.5 (-1 - 1)
}

}  // namespace
