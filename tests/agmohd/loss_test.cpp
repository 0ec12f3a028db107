// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// How the loss comes to the optimizer.

#include <gtest/gtest.h>
#include <torch/types.h>

#include <agmohd/agmohd.hpp>
#include <algorithm>
#include <cmath>
#include <string>

#include "runs.hpp"

namespace {

using namespace testing_agmohd;

void signals_have_the_loss(at::Device device) {
  const Tensors p = parameters(device);
  AGMOHD optimizer(p, AGMOHDOptions(1e-3));
  set_gradients(p, 0);
  optimizer.step(torch::tensor(2.5).to(device));
  EXPECT_TRUE(optimizer.signals().has_loss);
  EXPECT_EQ(optimizer.signals().loss, 2.5);
  optimizer.step();
  EXPECT_FALSE(optimizer.signals().has_loss);
  EXPECT_TRUE(std::isnan(optimizer.signals().loss));
}

TEST(Agmohd, SignalsHaveTheLoss) { signals_have_the_loss(at::kCPU); }

TEST_F(AgmohdCuda, SignalsHaveTheLoss) { signals_have_the_loss(at::kCUDA); }

TEST(Agmohd, TheLossArrivesInThreeWays) {
  for (int way = 0; way < 4; ++way) {
    const Tensors p = parameters(at::kCPU);
    AGMOHD optimizer(p, AGMOHDOptions(1e-3));
    set_gradients(p, 0);
    const Tensor loss = torch::tensor(2.5, torch::dtype(torch::kDouble));
    switch (way) {
      case 0:
        optimizer.step(loss);
        break;
      case 1:
        optimizer.step([&] { return loss; });
        break;
      case 2:
        optimizer.observe_loss(loss);
        optimizer.step();
        break;
      default:
        optimizer.step();
    }
    const Record r = optimizer.records().back();
    EXPECT_TRUE(way < 3 ? r.loss == 2.5 : std::isnan(r.loss)) << way << ' ' << r.loss;
  }
}

TEST(Agmohd, AnObservedLossWaitsForAStepThatNeedsIt) {
  const Tensors p = parameters(at::kCPU);
  AGMOHD optimizer(p, AGMOHDOptions(1e-3));
  optimizer.observe_loss(torch::tensor(2.5));
  optimizer.step();  // no gradients: not a step
  set_gradients(p, 0);
  optimizer.step(torch::tensor(1.5));
  optimizer.step();
  optimizer.step();
  const auto records = optimizer.records();
  ASSERT_EQ(records.size(), 3U);
  EXPECT_EQ(records[0].loss, 1.5);
  EXPECT_EQ(records[1].loss, 2.5);
  EXPECT_TRUE(std::isnan(records[2].loss));
}

TEST(Agmohd, AnObservedLossLetsGoOfTheGraph) {
  const Tensors p = parameters(at::kCPU);
  AGMOHD optimizer(p, AGMOHDOptions(1e-3));
  Tensor kept = torch::ones({1});
  const c10::weak_intrusive_ptr<c10::TensorImpl> graph(kept.getIntrusivePtr());
  optimizer.observe_loss((p[1] * kept).sum());
  kept = Tensor();
  EXPECT_TRUE(graph.expired());
}

TEST(Agmohd, WarnsOnceWhereNoLossComes) {
  struct Handler : c10::WarningHandler {
    void process(const c10::Warning& warning) override { text += warning.msg() + '\n'; }
    std::string text;
  } handler;
  const c10::WarningUtils::WarningHandlerGuard guard(&handler);
  const Tensors p = parameters(at::kCPU);
  AGMOHD without(p, AGMOHDOptions(1e-3)), with(p, AGMOHDOptions(1e-3));
  with.step(loss_of(0, at::kCPU));  // no gradients: not a step
  set_gradients(p, 0);
  with.step(loss_of(0, at::kCPU));
  for (int t = 0; t < 250; ++t) with.step();
  EXPECT_EQ(handler.text, "");
  for (int t = 0; t < 250; ++t) without.step();
  EXPECT_EQ(handler.text.find("agmohd: in 100 steps no loss was handed over, so that"), 0U)
      << handler.text;
  EXPECT_EQ(std::count(handler.text.begin(), handler.text.end(), '\n'), 1) << handler.text;
}

TEST(Agmohd, ALossOfAnotherKindIsRefused) {
  const Tensors p = parameters(at::kCPU);
  AGMOHD optimizer(p, AGMOHDOptions(1e-3));
  set_gradients(p, 0);
  const Tensors before = copies(p);
  EXPECT_THROW(optimizer.step(torch::ones({2})), c10::Error);
  EXPECT_THROW(optimizer.step(torch::ones({}, at::kLong)), c10::Error);
  expect_same_bits(p, before, "parameters");
  EXPECT_TRUE(optimizer.records().empty());
}

}  // namespace
