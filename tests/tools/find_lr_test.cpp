// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// The range test of the learning rate.

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <agmohd/agmohd.hpp>
#include <agmohd/tools/find_lr.hpp>
#include <agmohd/tools/groups.hpp>
#include <cmath>
#include <cstdint>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

using agmohd::tools::find_lr;
using agmohd::tools::FindLrOptions;
using agmohd::tools::Groups;
using agmohd::tools::LrCurve;

std::string state_of(const torch::optim::Optimizer& optimizer) {
  torch::serialize::OutputArchive archive;
  optimizer.save(archive);
  std::ostringstream out;
  archive.save_to(out);
  return out.str();
}

/// fastai's `steep` and `valley` (callback/schedule.py) of this curve, in float64.
TEST(Tools, SuggestionsAreThoseOfFastai) {
  LrCurve curve;
  double mean = 0;
  std::uint32_t random = 7;
  for (int i = 0; i < 100; ++i) {
    const double lr = 1e-7 * std::pow(1e8, i / 99.);
    random = random * 1664525u + 1013904223u;
    const double noise = 0.05 * (double(random) / 4294967296. - 0.5);
    const double loss = 2.3 - 1.5 / (1 + std::exp(-3 * (std::log10(lr) + 2.5))) +
                        (lr > 0.3 ? 2 * (lr - 0.3) : 0) + noise;
    mean = 0.9 * mean + 0.1 * loss;
    curve.lrs.push_back(lr);
    curve.losses.push_back(loss);
    curve.smoothed.push_back(mean / (1 - std::pow(0.9, i + 1)));
  }
  agmohd::tools::detail::suggest(curve, 100);
  ASSERT_TRUE(curve.steepest && curve.valley);
  EXPECT_NEAR(*curve.steepest, 0.008497534359, 1e-10);
  EXPECT_NEAR(*curve.valley, 0.001592282793, 1e-10);
  const std::string svg = curve.svg();
  EXPECT_EQ(svg.find("nan"), std::string::npos);
  EXPECT_NE(svg.find(">valley "), std::string::npos);
  EXPECT_NE(svg.find("</svg>"), std::string::npos);
  LrCurve rises{{1e-3, 1e-2, 1e-1}, {1, 2, 3}, {1, 2, 3}, false, {}, {}};
  agmohd::tools::detail::suggest(rises, 3);
  EXPECT_FALSE(rises.steepest || rises.valley);
  EXPECT_NE(LrCurve{}.svg().find("</svg>"), std::string::npos);
}

TEST(Tools, TheLossOfAQuadraticTurnsAtItsStabilityLimit) {
  // f = 5 p^2 / 2 by gradient descent: |1 - 5 lr| < 1 for lr < 0.4
  const at::Tensor p = at::full({1}, 1.0, at::kDouble).requires_grad_();
  torch::optim::SGD sgd({p}, torch::optim::SGDOptions(0.123));
  const auto closure = [&] {
    sgd.zero_grad();
    const at::Tensor loss = 2.5 * p.square().sum();
    loss.backward();
    return loss;
  };
  const LrCurve curve = find_lr(sgd, closure, {.min_lr = 1e-3, .max_lr = 100, .smoothing = 0});
  EXPECT_TRUE(curve.diverged);
  ASSERT_GT(curve.lrs.size(), 10U);
  for (std::size_t i = 0; i + 1 < curve.lrs.size(); ++i) {
    EXPECT_EQ(curve.losses[i + 1] < curve.losses[i], curve.lrs[i] < 0.4) << curve.lrs[i];
    EXPECT_NEAR(curve.lrs[i], 1e-3 * std::pow(1e5, double(i) / 99), 1e-12 * curve.lrs[i]);
  }
  ASSERT_TRUE(curve.steepest && curve.valley);
  EXPECT_LT(*curve.steepest, 0.4);
  EXPECT_LT(*curve.valley, 0.4);
  EXPECT_EQ(p.item<double>(), 1);
  EXPECT_FALSE(p.grad().defined());
  EXPECT_TRUE(sgd.state().empty());
  EXPECT_EQ(sgd.param_groups()[0].options().get_lr(), 0.123);
}

/// Two groups of a small network with dropout, so that random numbers matter.
template <class Optimizer, class Options>
void expect_restored(const Options& options) {
  at::set_num_threads(1);  // the tensors are small
  torch::manual_seed(5);
  torch::nn::Sequential net(torch::nn::Linear(4, 16), torch::nn::BatchNorm1d(16), torch::nn::Tanh(),
                            torch::nn::Dropout(0.2), torch::nn::Linear(16, 1));
  Optimizer optimizer(Groups(*net, options).match("4.*", [](auto& o) { o.lr(2e-3); }).groups(),
                      options);
  const at::Tensor x = torch::randn({64, 4}), y = x.sum(1, true).sin();
  const auto closure = [&] {
    optimizer.zero_grad();
    const at::Tensor loss = torch::mse_loss(net->forward(x), y);
    loss.backward();
    return loss;
  };
  for (const int warm : {0, 3}) {
    for (int i = 0; i < warm; ++i) optimizer.step(closure);
    const auto copies = [&] {
      std::vector<at::Tensor> out;
      for (const at::Tensor& p : net->parameters()) {
        out.push_back(p.detach().clone());
        out.push_back(p.grad().defined() ? p.grad().clone() : at::zeros({0}));
      }
      for (const at::Tensor& b : net->buffers()) out.push_back(b.clone());
      out.push_back(at::detail::getDefaultCPUGenerator().get_state());
      return out;
    };
    const auto before = copies();
    const std::string state = state_of(optimizer);
    const FindLrOptions how{.max_lr = 100, .smoothing = 0.9, .also = net->buffers()};
    const LrCurve one = find_lr(optimizer, closure, how);
    const auto expect_same = [&] {
      const auto after = copies();
      ASSERT_EQ(after.size(), before.size());
      for (std::size_t i = 0; i < after.size(); ++i) EXPECT_TRUE(at::equal(after[i], before[i]));
      EXPECT_EQ(state_of(optimizer), state);
      EXPECT_EQ(optimizer.state().empty(), warm == 0);
    };
    expect_same();
    int calls = 0;
    const auto fails = [&] {
      if (++calls == 5) throw std::runtime_error("no more data");
      return closure();
    };
    EXPECT_THROW(find_lr(optimizer, fails, how), std::runtime_error);
    expect_same();
    EXPECT_THROW(find_lr(
                     optimizer, [] { return at::Tensor(); }, how),
                 c10::Error);
    expect_same();
    const LrCurve again = find_lr(optimizer, closure, how);
    EXPECT_EQ(one.losses, again.losses);
    EXPECT_EQ(one.valley, again.valley);
    ASSERT_TRUE(one.steepest && one.valley);
    EXPECT_GT(*one.valley, 1e-6);
    EXPECT_LT(*one.valley, 1);
  }
}

TEST(Tools, ARangeTestLeavesNoTrace) {
  expect_restored<agmohd::AdamW>(agmohd::AdamWOptions(1e-3).weight_decay(0.1));
  expect_restored<torch::optim::AdamW>(torch::optim::AdamWOptions(1e-3));
  expect_restored<torch::optim::SGD>(torch::optim::SGDOptions(1e-3).momentum(0.9));
  expect_restored<agmohd::AGMOHD>(agmohd::AGMOHDOptions(1e-3));
}

TEST(Tools, ARangeTestDividesAScheduleOut) {
  const at::Tensor p = at::full({1}, 1.0).requires_grad_();
  agmohd::AGMOHDSGD optimizer(
      std::vector<at::Tensor>{p},
      agmohd::AGMOHDSGDOptions(0.5).weight_decay(0.0).momentum(0.0).warmup_steps(10));
  std::vector<double> rates;
  const auto closure = [&] {
    rates.push_back(optimizer.current_lr());
    optimizer.zero_grad();
    const at::Tensor loss = p.square().sum();
    loss.backward();
    return loss;
  };
  const LrCurve curve = find_lr(optimizer, closure, {.min_lr = 1e-4, .max_lr = 1e-2, .steps = 8});
  ASSERT_EQ(curve.lrs.size(), rates.size());
  for (std::size_t i = 0; i < rates.size(); ++i) {
    EXPECT_NEAR(rates[i], curve.lrs[i], 1e-12);
  }
  EXPECT_EQ(optimizer.param_groups()[0].options().get_lr(), 0.5);
  EXPECT_EQ(optimizer.updates(), 0);
}

TEST(Tools, ARangeTestMakesAWindowOfEachRate) {
  using Recipe = agmohd::Recipe<agmohd::rule::SGD, agmohd::gradient::Accumulate>;
  const at::Tensor p = at::full({1}, 1.0, at::kDouble).requires_grad_();
  agmohd::Optimizer<Recipe> optimizer(std::vector<at::Tensor>{p},
                                      agmohd::Options<Recipe>(0.5).set<"accumulation_steps">(4));
  std::int64_t calls = 0;
  const auto closure = [&] {
    optimizer.zero_grad();
    const at::Tensor loss = p.square().sum() + double(calls++ % 4);
    loss.backward();
    return loss;
  };
  const auto expect_rates = [&](const LrCurve& curve) {
    ASSERT_EQ(curve.lrs.size(), 5U);
    double q = 1;  // descends on q^2
    for (std::size_t i = 0; i < 5; ++i) {
      EXPECT_NEAR(curve.losses[i], q * q + 1.5, 1e-12) << i;
      q -= curve.lrs[i] * 2 * q;
    }
  };
  const FindLrOptions how{.min_lr = 1e-3, .max_lr = 1e-1, .steps = 5};
  expect_rates(find_lr(optimizer, closure, how));
  EXPECT_EQ(calls, 20);
  EXPECT_EQ(optimizer.accumulated(), 0);
  // Within a window the first rate ends it.
  calls = 0;
  optimizer.step(closure), optimizer.step(closure);
  const LrCurve within = find_lr(optimizer, closure, how);
  EXPECT_EQ(calls, 2 + 2 + 4 * 4);
  EXPECT_NEAR(within.losses[0], 1 + 2.5, 1e-12);
  EXPECT_EQ(optimizer.accumulated(), 2);
  EXPECT_EQ(p.item<double>(), 1);
  // Calls without gradients do not keep a window open.
  calls = 0;
  const auto rarely = [&] {
    if (calls % 4 == 0) return closure();
    calls += 1;
    optimizer.zero_grad();
    return at::ones({});
  };
  EXPECT_EQ(find_lr(optimizer, rarely, how).lrs.size(), 5U);
}

TEST(Tools, BadOptionsOfARangeTestAreRefused) {
  const at::Tensor p = at::ones({1}).requires_grad_();
  torch::optim::SGD sgd({p}, torch::optim::SGDOptions(0.1));
  const auto nan = [&] { return at::full({}, std::nan("")); };
  const LrCurve none = find_lr(sgd, nan);
  EXPECT_TRUE(none.diverged && none.lrs.empty() && !none.valley);
  EXPECT_THROW(find_lr(sgd, nullptr), c10::Error);
  EXPECT_THROW(find_lr(sgd, nan, {.min_lr = 0}), c10::Error);
  EXPECT_THROW(find_lr(sgd, nan, {.min_lr = 1, .max_lr = 1}), c10::Error);
  EXPECT_THROW(find_lr(sgd, nan, {.steps = 1}), c10::Error);
  EXPECT_THROW(find_lr(sgd, nan, {.smoothing = 1}), c10::Error);
  EXPECT_THROW(find_lr(sgd, nan, {.divergence = 1}), c10::Error);
  // What hides a schedule and windows; a stock optimizer has neither.
  agmohd::SGD mine({p}, agmohd::SGDOptions(0.1));
  torch::optim::Optimizer &hidden = mine, &stock = sgd;
  EXPECT_THROW(find_lr(hidden, nan), c10::Error);
  EXPECT_TRUE(find_lr(stock, nan).diverged);
}

}  // namespace
