// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// When a step can be captured, and what is captured.

#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <cuda_runtime.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <agmohd/agmohd.hpp>
#include <agmohd/wrap/sam.hpp>
#include <cstdint>
#include <string>

#include "backend.hpp"
#include "trainer.hpp"

namespace {

using namespace testing_cuda;

/// A table that prepare() made for many tensors is captured for few, whose chunks blocks share.
TEST(CudaGraph, IsCapturedOfFewOfManyTensors) {
  Tensors graphed, plain;
  for (int i = 0; i < 300; ++i) {
    torch::manual_seed(std::uint64_t(i));
    graphed.push_back(torch::randn({16384}, torch::kCUDA).requires_grad_());
    plain.push_back(graphed.back().detach().clone().requires_grad_());
  }
  const auto options = agmohd::AGMOHDOptions(1e-3).weight_decay(0.1);
  agmohd::AGMOHD a(graphed, options), b(plain, options);
  for (std::size_t i = 0; i < 60; ++i) {
    torch::manual_seed(1000 + i);
    graphed[i].mutable_grad() = 1e-3 * torch::randn_like(graphed[i]);
    plain[i].mutable_grad() = graphed[i].grad().clone();
  }
  const c10::cuda::CUDAStreamGuard guard(c10::cuda::getStreamFromPool());
  torch::cuda::synchronize();
  a.step(), b.step();
  a.prepare();
  torch::cuda::synchronize();
  at::cuda::CUDAGraph graph;
  graph.capture_begin();
  a.step();
  graph.capture_end();
  for (int t = 0; t < 20; ++t) graph.replay(), b.step();
  expect_same_bits(graphed, plain, "parameters");
  EXPECT_EQ(a.records().back().update_rms, b.records().back().update_rms);
  EXPECT_EQ(a.updates(), 21);
}

/// Nothing waits between prepare() and the capture, and there are more captures than LibTorch has
/// streams.
TEST(CudaGraph, IsCapturedWhileTheDeviceIsBehind) {
  using Recipe = agmohd::recipe::Adam;
  Tensors plain = copies(parameters(torch::kFloat, 37), torch::kCUDA),
          graphed = copies(plain, torch::kCUDA);
  Optimizer<Recipe> a(plain, options<Recipe>()), b(graphed, options<Recipe>());
  const c10::cuda::CUDAStream side = c10::cuda::getStreamFromPool();
  const c10::cuda::CUDAStreamGuard guard(side);
  set_gradients(plain, 0, 1), set_gradients(graphed, 0, 1);
  torch::cuda::synchronize();
  a.step(), b.step();
  const Tensor work = torch::zeros({4096, 4096}, torch::kCUDA);
  for (int i = 0; i < 40; ++i) {
    for (int k = 0; k < 3; ++k) torch::mm(work, work);
    b.prepare();
    at::cuda::CUDAGraph graph;
    graph.capture_begin();
    b.step();
    graph.capture_end();
    graph.replay(), a.step();
    side.synchronize();
  }
  expect_same_bits(plain, graphed, "parameters");
  EXPECT_EQ(b.updates(), 41);
}

TEST(CudaGraph, AnUnpreparedCaptureSaysWhatToCall) {
  Trainer trainer;
  trainer.load(0);
  const c10::cuda::CUDAStream side = c10::cuda::getStreamFromPool();
  const c10::cuda::CUDAStreamGuard guard(side);
  torch::mse_loss(trainer.model->forward(trainer.x), trainer.y).backward();
  torch::cuda::synchronize();
  cudaGraph_t graph = nullptr;
  ASSERT_EQ(cudaStreamBeginCapture(side, cudaStreamCaptureModeRelaxed), cudaSuccess);
  try {
    trainer.optimizer->step();
    ADD_FAILURE() << "no error";
  } catch (const c10::Error& error) {
    EXPECT_NE(std::string(error.what()).find("prepare()"), std::string::npos) << error.what();
  }
  cudaStreamEndCapture(side, &graph);
  if (graph != nullptr) cudaGraphDestroy(graph);
  (void)cudaGetLastError();
  trainer.optimizer->step();
  EXPECT_EQ(trainer.optimizer->updates(), 1);
}

TEST(CudaGraph, CapturesAModelThatWasMovedFromTheCpu) {
  const Tensor p = torch::ones({1000}).requires_grad_();
  Optimizer<ClippedSGD> optimizer(Tensors{p}, options<ClippedSGD>());
  p.mutable_grad() = torch::ones({1000});
  optimizer.step();
  p.mutable_grad() = Tensor();
  p.set_data(p.detach().to(torch::kCUDA));
  p.mutable_grad() = torch::ones({1000}, torch::kCUDA);
  optimizer.step();
  EXPECT_EQ(optimizer.updates(), 2);
  optimizer.prepare();
  torch::cuda::synchronize();
  const auto [kernels, others] = captured_nodes([&] { optimizer.step(); });
  EXPECT_EQ(kernels, 2);
  EXPECT_EQ(others, 0);
}

TEST(CudaGraph, CapturesBothStepsOfSAM) {
  for (const bool adaptive : {false, true}) {
    Tensors graphed, plain, given;
    for (int i = 0; i < 300; ++i) {
      torch::manual_seed(std::uint64_t(i));
      graphed.push_back(torch::randn({64, 3}, torch::kCUDA).requires_grad_());
      graphed.back().mutable_grad() = torch::zeros_like(graphed.back());
      plain.push_back(graphed.back().detach().clone().requires_grad_());
      plain.back().mutable_grad() = torch::zeros_like(plain.back());
      given.push_back(torch::randn_like(graphed.back()));
    }
    agmohd::AdamW one(graphed, agmohd::AdamWOptions(1e-2)), other(plain, one.options());
    agmohd::wrap::SAM a(one, {.rho = 0.5, .adaptive = adaptive}), b(other, a.options());
    const auto step = [&](auto& sam, const Tensors& params) {
      const auto differentiate = [&] {  // of given p + |p|^2 / 2, in place
        const torch::NoGradGuard no_grad;
        for (std::size_t i = 0; i < params.size(); ++i) {
          params[i].mutable_grad().copy_(given[i] + params[i]);
        }
      };
      differentiate(), sam.first_step(), differentiate(), sam.second_step();
    };
    const c10::cuda::CUDAStreamGuard guard(c10::cuda::getStreamFromPool());
    torch::cuda::synchronize();
    step(a, graphed), step(b, plain);
    one.prepare();
    torch::cuda::synchronize();
    at::cuda::CUDAGraph graph;
    graph.capture_begin();  // whatever waits is an error from here on
    step(a, graphed);
    graph.capture_end();
    for (int t = 0; t < 20; ++t) graph.replay(), step(b, plain);
    expect_same_bits(graphed, plain, adaptive ? "adaptive SAM" : "SAM");
  }
}

/// The norm is read behind a captured step, and of each replay.
TEST(CudaGraph, HasANormThatNobodyWaitsFor) {
  const Tensors params = copies(parameters(torch::kFloat, 37), torch::kCUDA);
  const Tensors plain = copies(params, torch::kCPU);
  for (const Tensor& p : params) p.mutable_grad() = torch::randn_like(p);
  agmohd::AGMOHD optimizer(params), on_host(plain);
  const auto expected = [&] {
    for (std::size_t i = 0; i < plain.size(); ++i) plain[i].mutable_grad() = params[i].grad().cpu();
    on_host.step();
    return on_host.grad_norm().item<double>();
  };
  const c10::cuda::CUDAStreamGuard guard(c10::cuda::getStreamFromPool());
  torch::cuda::synchronize();
  optimizer.step();
  const Tensor eager = optimizer.grad_norm();
  EXPECT_TRUE(eager.is_cuda());
  EXPECT_EQ(eager.item<double>(), expected());
  optimizer.prepare();
  torch::cuda::synchronize();
  at::cuda::CUDAGraph graph;
  graph.capture_begin();  // whatever waits is an error from here on
  optimizer.step();
  const Tensor norm = optimizer.grad_norm();
  graph.capture_end();
  for (const double scale : {2.0, 0.25}) {
    for (const Tensor& p : params) p.mutable_grad().mul_(scale);
    graph.replay();
    EXPECT_EQ(norm.item<double>(), expected());
  }
}

/// The tensor backend has the norm in the host's memory.
TEST(CudaReference, HasANorm) {
  const Tensors params = copies(parameters(torch::kFloat, 37), torch::kCUDA);
  const Tensors plain = copies(params, torch::kCUDA);
  for (std::size_t i = 0; i < params.size(); ++i) {
    params[i].mutable_grad() = torch::randn_like(params[i]);
    plain[i].mutable_grad() = params[i].grad();
  }
  agmohd::AGMOHD kernels(params), tensors(plain);
  tensors.use_tensor_backend();
  kernels.step(), tensors.step();
  const double norm = kernels.grad_norm().item<double>();
  EXPECT_NEAR(tensors.grad_norm().item<double>(), norm, 1e-6 * norm);
}

TEST(CudaSnapshots, OfACapturedStepStayWhereTheyAre) {
  const Tensors params = copies(parameters(torch::kFloat, 3), torch::kCUDA);
  for (const Tensor& p : params) p.mutable_grad() = torch::randn_like(p);
  agmohd::AGMOHD optimizer(params, agmohd::AGMOHDOptions(1e-3).snapshots(true));
  torch::cuda::synchronize();
  const c10::cuda::CUDAStreamGuard guard(c10::cuda::getStreamFromPool());
  optimizer.step();
  optimizer.prepare();
  at::cuda::CUDAGraph graph;
  graph.capture_begin();
  optimizer.step();
  graph.capture_end();
  graph.replay();
  optimizer.options().snapshots_on_host(true);
  EXPECT_THROW(optimizer.step(), c10::Error);
  EXPECT_THROW(optimizer.prepare(), c10::Error);
  optimizer.options().snapshots_on_host(false);
  optimizer.step();
  graph.replay();
  EXPECT_EQ(optimizer.tally().steps, 4);
}

}  // namespace
