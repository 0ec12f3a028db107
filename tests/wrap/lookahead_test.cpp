// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// Lookahead against its golden files, and around other optimizers.

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <agmohd/agmohd.hpp>
#include <agmohd/wrap/ema.hpp>
#include <agmohd/wrap/lookahead.hpp>
#include <agmohd/wrap/sam.hpp>
#include <cstdint>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "follow.hpp"

namespace {

using namespace testing_wrap;

template <class Optimizer>
void expect_lookahead(const std::string& name, const typename Optimizer::Options& options) {
  const Scenario scenario(name);
  const agmohd::wrap::LookaheadOptions how{scenario.options().at("lookahead_steps").toInt(),
                                           scenario.options().at("lookahead_alpha").toDouble()};
  follow_file<Optimizer>(
      name, options, 3e-6, 1e-12,
      [&](Optimizer& optimizer, const Tensors& params, const auto& check) {
        return [&, look = std::make_shared<Lookahead<Optimizer>>(optimizer, how)](std::int64_t n) {
          look->step();
          if (golden::is_snapshot(n)) check(n, params, "params");
        };
      });
}

TEST(Wrap, LookaheadFollowsItsPeer) {
  expect_lookahead<agmohd::SGD>(
      "lookahead_sgd", agmohd::SGDOptions(number(Scenario("lookahead_sgd"), "lr")).momentum(0.9));
  expect_lookahead<agmohd::AdamW>(
      "lookahead_adamw",
      agmohd::AdamWOptions(number(Scenario("lookahead_adamw"), "lr")).weight_decay(0.1));
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

TEST(Wrap, LookaheadLeavesIntegersAlone) {
  const at::Tensor p = at::ones({1}).requires_grad_(), count = at::full({1}, 7, at::kLong);
  agmohd::SGD sgd({p, count}, agmohd::SGDOptions(0.5));
  Lookahead look(sgd, {.steps = 2, .alpha = 0.5});
  p.mutable_grad() = at::ones({1});
  for (int i = 0; i < 2; ++i) look.step();
  EXPECT_EQ(p.item<double>(), 0.5);
  EXPECT_EQ(count.item<std::int64_t>(), 7);
}

TEST(Wrap, LookaheadCountsUpdatesOfWindows) {
  using Windows =
      agmohd::Optimizer<agmohd::Recipe<agmohd::rule::SGD, agmohd::gradient::Accumulate>>;
  const at::Tensor p = at::ones({1}).requires_grad_();
  Windows sgd({p}, Windows::Options(0.5).set<"accumulation_steps">(3));
  Lookahead look(sgd, {.steps = 2, .alpha = 0.5});
  std::vector<double> values;
  for (int call = 0; call < 9; ++call) {
    p.mutable_grad() = at::ones({1});
    look.step();
    values.push_back(p.item<double>());
  }
  // Two updates of -0.5, and half the way back to 1.
  EXPECT_EQ(values, (std::vector<double>{1, 1, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0}));
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
