// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// Averages, Lookahead and SAM against their golden files, and what the files do not show.

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <agmohd/agmohd.hpp>
#include <agmohd/wrap/ema.hpp>
#include <agmohd/wrap/lookahead.hpp>
#include <agmohd/wrap/sam.hpp>
#include <cmath>
#include <limits>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

#include "golden.hpp"

namespace {

using agmohd::wrap::EMA;
using agmohd::wrap::Lookahead;
using agmohd::wrap::SAM;
using agmohd::wrap::SWA;
using agmohd::wrap::Warmup;
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

/// A step of `given` at p + e, where the gradient is that of the file plus curvature p.
template <class Optimizer>
void expect_sam(const std::string& name, const typename Optimizer::Options& options) {
  const Inputs inputs;
  const Scenario scenario(name);
  const double curvature = scenario.options().at("sam_curvature").toDouble();
  for (const at::ScalarType dtype : {at::kFloat, at::kDouble}) {
    Tensors params = inputs.initial(torch::dtype(dtype));
    for (at::Tensor& p : params) p.requires_grad_();
    const auto expected = scenario.expected(inputs, dtype);
    const double bound = dtype == at::kDouble ? 3e-8 : 4e-6;  // the peer's norm is float32
    follow<Optimizer>(scenario, inputs, params, options, dtype, [&](Optimizer& optimizer) {
      auto sam = std::make_shared<SAM<Optimizer>>(
          optimizer,
          agmohd::wrap::SAMOptions{.rho = scenario.options().at("sam_rho").toDouble(),
                                   .adaptive = scenario.options().at("sam_adaptive").toBool()});
      return [&, sam](std::int64_t n) {
        Tensors given;
        for (const at::Tensor& p : params) given.push_back(p.grad());
        const auto differentiate = [&] {
          for (std::size_t i = 0; i < params.size(); ++i) {
            if (given[i].defined()) {
              params[i].mutable_grad() = given[i] + curvature * params[i].detach();
            }
          }
          return at::Tensor();
        };
        if (n % 2 == 0) {
          sam->step(differentiate);
        } else {
          differentiate(), sam->first_step(), differentiate(), sam->second_step();
        }
        if (!golden::is_snapshot(n)) return;
        const std::string key = "params_" + std::to_string(n);
        expect_close(params, expected.tensors.at(key), bound, name + " " + key);
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

TEST(Wrap, AveragesWarmUpAsDiffusers) {
  expect_average<agmohd::SGD, EMA>(
      "ema_ratio_sgd", agmohd::SGDOptions(number(Scenario("ema_ratio_sgd"), "lr")).momentum(0.9),
      {.decay = 0.9, .warmup = Warmup::ratio});
  expect_average<agmohd::AdamW, EMA>(
      "ema_power_adamw",
      agmohd::AdamWOptions(number(Scenario("ema_power_adamw"), "lr")).weight_decay(0.1),
      {.decay = 0.98, .warmup = Warmup::power, .inv_gamma = 2, .power = 0.75});
  EMA ema({at::ones({2})}, {.decay = 0.5, .warmup = Warmup::ratio});
  for (const double decay : {0.0, 2. / 11, 3. / 12, 4. / 13}) {
    EXPECT_DOUBLE_EQ(ema.next_decay(), decay);
    ema.update();
  }
  for (int i = 0; i < 10; ++i) ema.update();
  EXPECT_EQ(ema.next_decay(), 0.5);
}

TEST(Wrap, AnAverageOfRanger) {
  const Inputs inputs;
  const Scenario scenario("lookahead_ranger");
  for (const at::ScalarType dtype : {at::kFloat, at::kDouble}) {
    Tensors params = inputs.initial(torch::dtype(dtype));
    for (at::Tensor& p : params) p.requires_grad_();
    const auto expected = scenario.expected(inputs, dtype);
    const double bound = dtype == at::kDouble ? 1e-12 : 4e-6;
    EMA ema(params, {.decay = 0.9});
    follow<agmohd::RAdam>(
        scenario, inputs, params, agmohd::RAdam::Options(number(scenario, "lr")).weight_decay(0.1),
        dtype, [&](agmohd::RAdam& optimizer) {
          auto look = std::make_shared<Lookahead<agmohd::RAdam>>(optimizer);
          return [&, look](std::int64_t n) {
            look->step();
            ema.update();
            if (!golden::is_snapshot(n)) return;
            const std::string key = std::to_string(n);
            expect_close(params, expected.tensors.at("params_" + key), bound, "ranger " + key);
            expect_close(ema.averages(), expected.tensors.at("average_" + key), bound,
                         "average of ranger " + key);
          };
        });
  }
}

TEST(Wrap, SAMFollowsItsPeer) {
  expect_sam<agmohd::SGD>("sam_sgd",
                          agmohd::SGDOptions(number(Scenario("sam_sgd"), "lr")).momentum(0.9));
  expect_sam<agmohd::AdamW>(
      "sam_adamw", agmohd::AdamWOptions(number(Scenario("sam_adamw"), "lr")).weight_decay(0.1));
  expect_sam<agmohd::SGD>(
      "sam_adaptive_sgd",
      agmohd::SGDOptions(number(Scenario("sam_adaptive_sgd"), "lr")).momentum(0.9));
}

TEST(Wrap, SAMMovesByItsEquation) {
  for (const bool adaptive : {false, true}) {
    const at::Tensor a = at::randn({3, 2}, at::kDouble).requires_grad_(),
                     b = at::randn({4}, at::kFloat).requires_grad_(),
                     c = at::randn({2}, at::kBFloat16).requires_grad_(),
                     without = at::randn({2}, at::kDouble).requires_grad_();
    torch::optim::SGD sgd({torch::optim::OptimizerParamGroup({a, c}),
                           torch::optim::OptimizerParamGroup({b, without, b})},
                          torch::optim::SGDOptions(0.0));
    const agmohd::wrap::SAMOptions options{
        .rho = 0.3, .eps = 1e-3, .adaptive = adaptive, .eta = 0.01};
    SAM sam(sgd, options);
    Tensors before, e;
    double squares = 0;
    for (const at::Tensor& p : {a, b, c}) {
      p.mutable_grad() = at::randn_like(p);
      before.push_back(p.detach().clone());
      const at::Tensor x = p.detach().to(at::kDouble), g = p.grad().to(at::kDouble);
      const at::Tensor weight = adaptive ? x.abs() + 0.01 : at::ones_like(x);
      squares += (weight * g).square().sum().item<double>();
      e.push_back(weight.square() * g * 0.3);
    }
    const at::Tensor kept = without.detach().clone();
    sam.first_step();
    EXPECT_TRUE(sam.perturbed());
    const double norm = std::sqrt(squares) + 1e-3, bounds[] = {3e-3, 3e-3, 2e-2};
    for (std::size_t i = 0; i < 3; ++i) {
      const at::Tensor& p = i == 0 ? a : i == 1 ? b : c;
      const at::Tensor moved = p.detach().to(at::kDouble) - before[i].to(at::kDouble);
      EXPECT_LE((moved - e[i] / norm).norm().item<double>(),
                bounds[i] * (e[i] / norm).norm().item<double>() +
                    (i == 2 ? 8e-3 * before[i].norm().item<double>() : 0));
    }
    EXPECT_TRUE(at::equal(without, kept));
    torch::serialize::OutputArchive archive;
    EXPECT_THROW(sam.save(archive), c10::Error);
    EXPECT_THROW(sam.first_step(), c10::Error);
    sam.second_step();  // of rate 0
    EXPECT_FALSE(sam.perturbed());
    EXPECT_TRUE(at::equal(a, before[0]) && at::equal(b, before[1]) && at::equal(c, before[2]));
    EXPECT_THROW(sam.second_step(), c10::Error);
  }
}

TEST(Wrap, SAMBringsParametersBackExactly) {
  const double inf = std::numeric_limits<double>::infinity();
  for (const double bad : {std::nan(""), inf, 0.0}) {
    for (const at::ScalarType dtype : {at::kFloat, at::kHalf}) {
      const at::Tensor p = at::randn({5}).to(dtype).requires_grad_();
      const at::Tensor before = p.detach().clone();
      agmohd::AGMOHD skips(Tensors{p}, agmohd::AGMOHDOptions(0.1).weight_decay(0.0));
      SAM sam(skips, {.rho = 100});
      p.mutable_grad() = at::full_like(p, bad);
      sam.first_step();
      EXPECT_EQ(p.isfinite().all().item<bool>(), bad == 0) << bad << dtype;
      if (bad != 0) p.mutable_grad() = p.detach().clone();
      sam.second_step();  // without a finite gradient, AGMOHD leaves the parameters as they are
      EXPECT_TRUE(at::equal(p, before)) << bad << dtype;
    }
  }
  const at::Tensor p = at::randn({5}).requires_grad_();
  const at::Tensor before = p.detach().clone();
  torch::optim::SGD sgd({p}, torch::optim::SGDOptions(0.1));
  SAM sam(sgd);
  int calls = 0;
  const auto fails = [&] {
    if (++calls == 2) throw std::runtime_error("no second batch");
    sam.zero_grad();
    const at::Tensor loss = p.square().sum();
    loss.backward();
    return loss;
  };
  EXPECT_THROW(sam.step(fails), std::runtime_error);
  EXPECT_TRUE(at::equal(p, before));
  EXPECT_FALSE(sam.perturbed());
  p.mutable_grad() = at::ones_like(p);
  sam.first_step();
  sam.restore();
  EXPECT_TRUE(at::equal(p, before));
}

TEST(Wrap, SAMRefusesSparseGradients) {
  const at::Tensor p = at::ones({2}).requires_grad_(), rows = at::ones({4, 2}).requires_grad_();
  agmohd::SGD sgd(Tensors{p, rows}, agmohd::SGDOptions(0.1));
  SAM sam(sgd);
  p.mutable_grad() = at::ones({2});
  rows.mutable_grad() =
      at::sparse_coo_tensor(at::tensor({1}, at::kLong).view({1, 1}), at::ones({1, 2}), {4, 2});
  try {
    sam.first_step();
    ADD_FAILURE() << "no error";
  } catch (const c10::Error& error) {
    const std::string text = error.what_without_backtrace();
    for (const char* part : {"parameter 1", "Sparse", "sparse(false)"}) {
      EXPECT_NE(text.find(part), std::string::npos) << text;
    }
  }
  EXPECT_FALSE(sam.perturbed());
  EXPECT_TRUE(at::equal(p, at::ones({2})) && at::equal(rows, at::ones({4, 2})));
}

TEST(Wrap, SAMGoesAroundStockOptimizersAndLookahead) {
  // f = |p|^2 / 2, p = 3: e = 0.5 3 / 3, the gradient at p + e is 3.5
  const at::Tensor p = at::full({1}, 3.0, at::kDouble).requires_grad_();
  torch::optim::SGD sgd({p}, torch::optim::SGDOptions(0.2).momentum(0.9));
  Lookahead look(sgd, {.steps = 1, .alpha = 0.5});
  SAM sam(look, {.rho = 0.5});
  const at::Tensor loss = sam.step([&] {
    sam.zero_grad();
    const at::Tensor f = p.square().sum() / 2;
    f.backward();
    return f;
  });
  EXPECT_EQ(loss.item<double>(), 4.5);
  EXPECT_NEAR(p.item<double>(), 3 - 0.5 * 0.2 * 3.5, 1e-12);
  EXPECT_THROW(sam.step(nullptr), c10::Error);

  const at::Tensor q = at::full({1}, 3.0, at::kDouble).requires_grad_();
  torch::optim::SGD one({q}, torch::optim::SGDOptions(0.2).momentum(0.9)),
      other({q}, torch::optim::SGDOptions(0.2).momentum(0.9));
  SAM a(one), b(other);
  q.mutable_grad() = at::ones_like(q);
  a.first_step(), a.second_step();
  torch::serialize::OutputArchive written;
  a.save(written);
  std::stringstream file;
  written.save_to(file);
  torch::serialize::InputArchive read;
  read.load_from(file);
  b.load(read);
  ASSERT_EQ(other.state().size(), 1U);
}

TEST(Wrap, AScopeSwapsBack) {
  const at::Tensor p = at::zeros({2});
  EMA ema({p}, {.decay = 0.5});
  const auto is = [&](double x) { return at::equal(p, at::full({2}, x)); };
  {
    const auto scope = ema.scope();  // no average yet
    EXPECT_TRUE(is(0));
    EXPECT_THROW(EMA::Scope{ema}, c10::Error);
    EXPECT_THROW(ema.update(), c10::Error);
  }
  ema.update();
  p.fill_(1);
  ema.update();
  {
    const auto scope = ema.scope();
    EXPECT_TRUE(is(0.5));
    EXPECT_TRUE(ema.swapped());
    EXPECT_THROW(EMA::Scope{ema}, c10::Error);
    EXPECT_THROW(ema.swap(), c10::Error);
    EXPECT_THROW(ema.update(), c10::Error);
    EXPECT_TRUE(is(0.5));
  }
  EXPECT_TRUE(is(1));
  EXPECT_FALSE(ema.swapped());
  EXPECT_THROW(
      {
        const EMA::Scope scope(ema);
        throw std::runtime_error("in an evaluation");
      },
      std::runtime_error);
  EXPECT_TRUE(is(1));
  ema.swap();
  EXPECT_THROW(EMA::Scope{ema}, c10::Error);
  ema.swap();
  EXPECT_TRUE(is(1));
  static_assert(!std::is_copy_constructible_v<EMA::Scope>);
  ema.update();
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

TEST(Wrap, ScopesLeaveWideAveragesAndParametersAsTheyAre) {
  for (const at::ScalarType dtype : {at::kBFloat16, at::kHalf}) {
    const at::Tensor p = at::full({4}, 1.0, dtype), q = at::full({4}, 1.0, dtype);
    EMA scoped({p}, {.decay = 0.999}), plain({q}, {.decay = 0.999});
    scoped.update(), plain.update();
    p.fill_(2.0), q.fill_(2.0);
    for (int i = 0; i < 200; ++i) {
      scoped.update(), plain.update();
      {
        const auto scope = scoped.scope();
        EXPECT_TRUE(at::equal(p, plain.averages()[0].to(dtype)));
        EXPECT_TRUE(at::equal(scoped.averages()[0], plain.averages()[0]));
      }
      EXPECT_TRUE(at::equal(p, q));
    }
    EXPECT_NEAR(scoped.averages()[0][0].item<double>(), 2 - std::pow(0.999, 200), 1e-5);
    EXPECT_TRUE(at::equal(scoped.averages()[0], plain.averages()[0])) << dtype;
  }
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
  EXPECT_TRUE(close(average.averages()[0], before[0] + 0.5));
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
  EXPECT_THROW((SAM<torch::optim::SGD>(sgd, {.rho = -1})), c10::Error);
  EXPECT_THROW((SAM<torch::optim::SGD>(sgd, {.eps = 0})), c10::Error);
  EXPECT_THROW(EMA(params, {.warmup = Warmup::power, .inv_gamma = 0}), c10::Error);
}

TEST(Wrap, LookaheadTakesAParameterOnce) {
  const at::Tensor p = at::ones({1}).requires_grad_();
  torch::optim::SGD sgd({p, p}, torch::optim::SGDOptions(0.5));
  Lookahead look(sgd, {.steps = 1, .alpha = 0.5});
  p.mutable_grad() = at::ones({1});
  for (int i = 0; i < 2; ++i) look.step();  // two steps of SGD each, and half the way
  EXPECT_EQ(p.item<double>(), 0);
}

TEST(Wrap, ComplexAveragesAreNotOfRealParameters) {
  const at::Tensor real = at::ones({2}).requires_grad_();
  const at::Tensor complex = at::ones({2}, at::kComplexFloat).requires_grad_();
  torch::optim::SGD of_real({real}, torch::optim::SGDOptions(0.1)),
      of_complex({complex}, torch::optim::SGDOptions(0.1));
  Lookahead look(of_real), other(of_complex);
  EMA ema({real.detach()}), wide({complex.detach()});
  ema.update(), wide.update();
  const auto refuses = [](const auto& from, auto& to) {
    torch::serialize::OutputArchive written;
    from.save(written);
    std::stringstream file;
    written.save_to(file);
    torch::serialize::InputArchive read;
    read.load_from(file);
    EXPECT_THROW(to.load(read), c10::Error);
  };
  refuses(look, other), refuses(other, look);
  refuses(ema, wide), refuses(wide, ema);
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
