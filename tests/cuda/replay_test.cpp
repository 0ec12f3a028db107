// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// Replays of captured steps against eager steps.

#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <agmohd/agmohd.hpp>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "backend.hpp"
#include "trainer.hpp"

namespace {

using namespace testing_cuda;

TEST(CudaGraph, ReplaysHaveTheBitsOfEagerSteps) {
  Trainer eager, graphed;
  // Warm up on a side stream, as LibTorch's documentation asks, and identically in both.
  const c10::cuda::CUDAStream side = c10::cuda::getStreamFromPool();
  for (Trainer* trainer : {&eager, &graphed}) {
    const c10::cuda::CUDAStreamGuard guard(side);
    for (int t = 0; t < 3; ++t) {
      trainer->load(t);
      trainer->step();
    }
  }
  torch::cuda::synchronize();
  at::cuda::CUDAGraph graph;
  {
    const c10::cuda::CUDAStreamGuard guard(side);
    graphed.optimizer->zero_grad();
    graphed.optimizer->prepare();
    torch::cuda::synchronize();
    graph.capture_begin();
    graphed.step();
    graph.capture_end();
  }
  torch::cuda::synchronize();
  int skipped = 0;
  const c10::cuda::CUDAStreamGuard guard(side);
  for (int t = 3; t < 1003; ++t) {
    for (Trainer* trainer : {&eager, &graphed}) {
      trainer->load(t);
      trainer->change(t);
    }
    const Tensor before = eager.model->parameters()[0].detach().clone();
    eager.step();
    skipped += torch::equal(before, eager.model->parameters()[0]) ? 1 : 0;
    graphed.optimizer->prepare();  // uploads options that were changed
    graph.replay();
    if (t % 100 == 0)
      expect_same_bits(eager.model->parameters(), graphed.model->parameters(),
                       "step " + std::to_string(t));
  }
  expect_same_bits(eager.model->parameters(), graphed.model->parameters(), "the end");
  EXPECT_EQ(eager.optimizer->updates(), graphed.optimizer->updates());
  EXPECT_GT(skipped, 10);
  EXPECT_LT(skipped, 500);
  // Eager steps go on from where the replays ended, and the graph from there.
  for (int t = 1003; t < 1013; ++t) {
    eager.load(t);
    graphed.load(t);
    eager.step();
    if (t % 2 == 0) {
      graphed.step();
    } else {
      graph.replay();
    }
  }
  expect_same_bits(eager.model->parameters(), graphed.model->parameters(),
                   "eager and replayed steps in turns");
}

/// Spikes, non-finite gradients, losses and weights, a jump of the learning rate, a new regime.
TEST(CudaGraph, ReplaysIncidentsAsEagerSteps) {
  const auto sides = [] {
    Tensors params = copies(parameters(torch::kFloat, 43), torch::kCUDA);
    for (const Tensor& p : params) p.mutable_grad() = torch::zeros_like(p);
    return params;
  };
  const Tensors a = sides(), b = sides();
  const auto o = agmohd::AGMOHDOptions(1e-3).weight_decay(0.1).snapshots(true).snapshot_every(20);
  agmohd::AGMOHD eager(a, o), graphed(b, o);
  const Tensor loss = torch::zeros({}, torch::kCUDA);
  const auto load = [&loss](const Tensors& params, int t) {
    torch::manual_seed(500 + std::uint64_t(t));
    const double scale = t == 70 || t == 90 || t == 91 ? 3.0 : t < 150 ? 0.002 : 0.02;
    for (const Tensor& p : params) {
      p.grad().copy_(torch::randn(p.sizes()) * scale);
    }
    if (t == 75) params[5].grad()[4321].fill_(std::numeric_limits<float>::infinity());
    loss.fill_(t == 85 ? std::numeric_limits<float>::quiet_NaN() : 2.F - 0.001F * float(t));
    if (t == 110 || t == 503) {
      params[5].detach()[4322].fill_(std::numeric_limits<float>::quiet_NaN());
    }
    loss.add_(params[5].detach().sum(), 0);
  };
  const c10::cuda::CUDAStreamGuard guard(c10::cuda::getStreamFromPool());
  for (int t = 0; t < 3; ++t) {
    load(a, t), eager.step(loss);
    load(b, t), graphed.step(loss);
  }
  graphed.prepare();
  at::cuda::CUDAGraph graph;
  torch::cuda::synchronize();
  graph.capture_begin();
  graphed.step(loss);
  graph.capture_end();
  for (int t = 3; t < 1003; ++t) {
    const double lr = t >= 120 && t < 125 ? 3e-2 : 1e-3;
    for (auto* optimizer : {&eager, &graphed}) optimizer->param_groups()[0].options().set_lr(lr);
    load(a, t), eager.step(loss);
    load(b, t), graphed.prepare(), graph.replay();
    if (t % 50 == 0) expect_same_bits(a, b, "step " + std::to_string(t));
  }
  expect_same_bits(a, b, "the end");
  const agmohd::Tally x = eager.tally(), y = graphed.tally();
  for (int kind = 0; kind < agmohd::Tally::kinds; ++kind) {
    EXPECT_EQ(x.count[kind], y.count[kind]) << kind;
    EXPECT_EQ(x.last[kind], y.last[kind]) << kind;
  }
  EXPECT_GE(x.count[agmohd::Tally::skip], 5);
  EXPECT_GE(x.count[agmohd::Tally::throttle], 1);
  EXPECT_EQ(x.count[agmohd::Tally::rollback], 2);
  EXPECT_EQ(graphed.records().back().step, 1003);
}

TEST(CudaGraph, CapturedWithoutSnapshotsStaysSo) {
  const Tensors params = copies(parameters(torch::kFloat, 44), torch::kCUDA);
  for (const Tensor& p : params) p.mutable_grad() = torch::full_like(p, 1e-3);
  const Tensors plain = copies(params, torch::kCUDA);
  for (const Tensor& p : plain) p.mutable_grad() = torch::full_like(p, 1e-3);
  agmohd::AGMOHD graphed(params, agmohd::AGMOHDOptions(1e-3)),
      eager(plain, agmohd::AGMOHDOptions(1e-3));
  const c10::cuda::CUDAStreamGuard guard(c10::cuda::getStreamFromPool());
  graphed.step(), eager.step();
  graphed.prepare();
  at::cuda::CUDAGraph graph;
  torch::cuda::synchronize();
  graph.capture_begin();
  graphed.step();
  graph.capture_end();
  graphed.options().snapshots(true).snapshot_every(10);
  graphed.prepare();
  for (int t = 0; t < 35; ++t) {
    if (t >= 30) {
      for (const Tensors* all : {&params, &plain}) {
        (*all)[5].grad()[7].fill_(std::numeric_limits<float>::quiet_NaN());
      }
    }
    graph.replay(), eager.step();
  }
  expect_same_bits(params, plain, "parameters");
  EXPECT_EQ(graphed.updates(), 31);
}

TYPED_TEST(CudaBackend, ReplaysAndEagerStepsMayTakeTurns) {
  Tensors plain = copies(parameters(torch::kFloat, 29), torch::kCUDA),
          mixed = copies(plain, torch::kCUDA);
  auto a = two_groups<TypeParam>(plain), b = two_groups<TypeParam>(mixed);
  for (Tensors* params : {&plain, &mixed}) {
    for (std::size_t i = 0; i < params->size(); ++i) {
      torch::manual_seed(i);
      (*params)[i].mutable_grad() = torch::randn_like((*params)[i]);
    }
  }
  const c10::cuda::CUDAStream side = c10::cuda::getStreamFromPool();
  const c10::cuda::CUDAStreamGuard guard(side);
  torch::cuda::synchronize();
  a->step();
  b->step();
  at::cuda::CUDAGraph first, second;
  for (at::cuda::CUDAGraph* graph : {&first, &second}) {
    b->prepare();
    torch::cuda::synchronize();
    graph->capture_begin();
    b->step();
    graph->capture_end();
  }
  for (int t = 0; t < 40; ++t) {
    for (Tensors* params : {&plain, &mixed}) {
      torch::manual_seed(100 + std::uint64_t(t));
      for (Tensor& p : *params) p.mutable_grad().copy_(torch::randn(p.sizes()));
    }
    if (t % 9 == 4) {
      for (auto* o : {a.get(), b.get()}) o->param_groups()[0].options().set_lr(1e-2 / (1 + t));
    }
    a->step();
    if (t % 3 == 0 || t % 7 == 1) {
      b->step();
    } else {
      b->prepare();
      (t % 2 == 0 ? first : second).replay();
    }
  }
  expect_same_bits(plain, mixed, TypeParam::name());
  expect_same_bits(states(*a, plain), states(*b, mixed), "states of " + TypeParam::name());
  EXPECT_EQ(a->updates(), b->updates());
}

TEST(CudaAccumulate, ReplaysAWindow) {
  const Tensors start = parameters(torch::kBFloat16, 14);
  const Tensors params[2] = {copies(start, torch::kCUDA), copies(start, torch::kCUDA)};
  const auto options = Optimizer<AccumulatedAdamW>::Options(1e-2).set<"accumulation_steps">(3);
  Optimizer<AccumulatedAdamW> eager(params[0], options), graphed(params[1], options);
  const c10::cuda::CUDAStreamGuard guard(c10::cuda::getStreamFromPool());
  torch::cuda::synchronize();
  std::vector<Tensors> gradients;  // of the calls of a window
  for (int t = 0; t < 3; ++t) {
    set_gradients(params[0], t, 1);
    gradients.emplace_back();
    for (const Tensor& p : params[0]) gradients.back().push_back(p.grad());
  }
  const auto window = [&](auto& optimizer, const Tensors& of) {
    for (const Tensors& call : gradients) {
      for (std::size_t i = 0; i < of.size(); ++i) of[i].mutable_grad() = call[i];
      optimizer.step();
    }
  };
  window(eager, params[0]), window(graphed, params[1]);
  graphed.prepare();
  torch::cuda::synchronize();
  at::cuda::CUDAGraph graph;
  graph.capture_begin();
  window(graphed, params[1]);
  graph.capture_end();
  for (int t = 0; t < 4; ++t) window(eager, params[0]), graph.replay();
  expect_same_bits(params[0], params[1], "parameters");
  EXPECT_EQ(graphed.updates(), 5);
}

}  // namespace
