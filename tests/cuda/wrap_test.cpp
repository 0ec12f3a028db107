// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// Averages of the weights, in one launch.

#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <agmohd/agmohd.hpp>
#include <agmohd/wrap/ema.hpp>
#include <agmohd/wrap/lookahead.hpp>

#include "backend.hpp"

namespace {

using namespace testing_cuda;

/// average <- average + weight (p - average), each operation rounded by itself.
Tensor lerped(const Tensor& average, const Tensor& p, double weight) {
  const at::ScalarType wide = average.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  const Tensor a = average.to(wide), b = p.detach().to(wide), gap = b - a;
  const Tensor w = torch::scalar_tensor(weight, wide);
  return (weight < 0.5 ? a + w * gap : b - gap * (1 - w)).to(average.scalar_type());
}

TEST(CudaWrap, AveragesAreLerpsInOneLaunch) {
  for (const at::ScalarType dtype : {at::kFloat, at::kDouble, at::kBFloat16, at::kHalf}) {
    for (const double decay : {0.9, 0.3, 0.0}) {
      const Tensors host = parameters(dtype, 7), params = copies(host, torch::kCUDA);
      agmohd::wrap::EMA ema(params, {.decay = decay});
      ema.update();
      Tensors expected;
      for (const Tensor& average : ema.averages()) expected.push_back(average.cpu());
      for (int t = 0; t < 3; ++t) {
        const torch::NoGradGuard no_grad;
        const auto version = ema.averages()[0]._version();
        for (std::size_t i = 0; i < params.size(); ++i) {
          host[i].mul_(1.25).add_(0.5);
          params[i].copy_(host[i]);
          expected[i] = lerped(expected[i], host[i], 1 - decay);
        }
        ema.update();
        EXPECT_GT(ema.averages()[0]._version(), version);
      }
      expect_same_bits(ema.averages(), expected, c10::toString(dtype));
      const auto [kernels, others] = captured_nodes([&] { ema.update(); });
      EXPECT_EQ(kernels, 1) << dtype;
      EXPECT_EQ(others, 0) << dtype;
    }
  }
}

TEST(CudaWrap, LookaheadIsALerpInOneLaunch) {
  for (const at::ScalarType dtype : {at::kFloat, at::kDouble, at::kBFloat16, at::kHalf}) {
    const Tensors host = parameters(dtype, 8), params = copies(host, torch::kCUDA);
    for (const Tensor& p : params) p.mutable_grad() = torch::ones_like(p);
    torch::optim::SGD sgd(params, 0.125);
    agmohd::wrap::Lookahead look(sgd, {.steps = 1, .alpha = 0.75});
    Tensors expected;
    for (const Tensor& p : host) expected.push_back(p.detach().clone());
    for (int t = 0; t < 3; ++t) {
      look.step();
      for (Tensor& slow : expected) {
        const Tensor fast = slow.clone().add_(torch::ones_like(slow), -0.125);
        slow = lerped(slow, fast, 0.75);
      }
    }
    expect_same_bits(params, expected, c10::toString(dtype));
    for (const Tensor& p : params) p.mutable_grad() = Tensor();  // SGD launches nothing
    const auto [kernels, others] = captured_nodes([&] { look.step(); });
    EXPECT_EQ(kernels, 1) << dtype;
    EXPECT_EQ(others, 0) << dtype;
  }
}

TEST(CudaWrap, TablesFollowTensorsAndOutliveGraphs) {
  const c10::cuda::CUDAStreamGuard guard(c10::cuda::getStreamFromPool());
  Tensors params;
  for (int i = 0; i < 500; ++i) params.push_back(torch::ones({17}, torch::kCUDA));
  agmohd::wrap::EMA ema(params, {.decay = 0.5});
  ema.update(), ema.update();
  at::cuda::CUDAGraph graph;
  torch::cuda::synchronize();
  graph.capture_begin();
  ema.update();
  graph.capture_end();
  Tensors old;
  for (Tensor& p : params) {
    old.push_back(p.detach());
    p.set_data(torch::full({17}, 3.0, torch::kCUDA));
  }
  {  // a table of the new addresses, on another stream
    torch::cuda::synchronize();
    const c10::cuda::CUDAStreamGuard other(c10::cuda::getStreamFromPool());
    ema.update();
    torch::cuda::synchronize();
  }
  for (const Tensor& average : ema.averages()) EXPECT_TRUE((average == 2).all().item<bool>());
  graph.replay();  // averages with what lay at the old addresses: ones
  torch::cuda::synchronize();
  for (const Tensor& average : ema.averages()) ASSERT_TRUE((average == 1.5).all().item<bool>());
}

}  // namespace
