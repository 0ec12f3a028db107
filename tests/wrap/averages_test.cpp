// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// Averages against their golden files, and what the files do not show.

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <agmohd/agmohd.hpp>
#include <agmohd/wrap/ema.hpp>
#include <agmohd/wrap/lookahead.hpp>
#include <cmath>
#include <cstdint>
#include <memory>
#include <sstream>
#include <string>

#include "follow.hpp"

namespace {

using namespace testing_wrap;

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

TEST(Wrap, AveragesOfHalfPrecisionAreWide) {
  const at::Tensor p = at::full({4}, 1.0, at::kBFloat16);
  EMA ema({p}, {.decay = 0.999});
  ema.update();
  p.fill_(2.0);
  for (int i = 0; i < 10; ++i) ema.update();
  EXPECT_EQ(ema.averages()[0].scalar_type(), at::kFloat);
  EXPECT_NEAR(ema.averages()[0][0].item<double>(), 2 - std::pow(0.999, 10), 1e-6);
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

}  // namespace
