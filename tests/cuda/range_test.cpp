// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// Numbers and tensors at the ends of their ranges.

#include <c10/cuda/CUDACachingAllocator.h>
#include <cuda_runtime.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <agmohd/agmohd.hpp>
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>

#include "backend.hpp"

namespace {

using namespace testing_cuda;

/// Of one bfloat16 parameter and its gradient: 9 GB.
TEST(CudaHuge, StepsATensorOfMoreElementsThan32BitsCount) {
  c10::cuda::CUDACachingAllocator::emptyCache();
  std::size_t unused = 0, total = 0;
  ASSERT_EQ(cudaMemGetInfo(&unused, &total), cudaSuccess);
  if (unused < std::size_t{24} << 30) GTEST_SKIP() << "less than 24 GB of device memory is free";
  constexpr std::int64_t kCount = (std::int64_t{1} << 31) + 5;
  const auto options = torch::dtype(torch::kBFloat16).device(torch::kCUDA);
  const Tensor p = torch::zeros({kCount}, options).requires_grad_();
  const Tensor g = torch::ones({kCount}, options);
  const std::pair<std::int64_t, double> marked[] = {
      {0, -2}, {kCount / 2, 3}, {kCount - 6, 5}, {kCount - 5, -6}, {kCount - 1, 4}};
  double norm2 = double(kCount) - 5;
  for (const auto& [element, value] : marked) g[element] = value, norm2 += value * value;
  p.mutable_grad() = g;
  Optimizer<ClippedSGD> optimizer(Tensors{p}, Optimizer<ClippedSGD>::Options(1e4).max_norm(2));
  optimizer.step();
  EXPECT_EQ(optimizer.signals().norm2, norm2);
  EXPECT_EQ(optimizer.signals().max_abs, 6);
  const double step = 1e4 * 2 / std::sqrt(norm2);
  for (const auto& [element, value] : marked) {
    EXPECT_NEAR(p[element].item<double>(), -step * value, 0.004 * std::abs(step * value))
        << element;
  }
  const Tensor other = p.detach()[1];
  EXPECT_NEAR(other.item<double>(), -step, 0.004 * step);
  std::int64_t equal = 0;
  for (std::int64_t first = 0; first < kCount; first += std::int64_t{1} << 28) {
    const std::int64_t end = std::min(kCount, first + (std::int64_t{1} << 28));
    equal += (p.detach().slice(0, first, end) == other).sum().item<std::int64_t>();
  }
  EXPECT_EQ(equal, kCount - 5);
  g[kCount - 1] = std::numeric_limits<float>::quiet_NaN();
  optimizer.step();
  EXPECT_EQ(optimizer.signals().nonfinite, 1);
}

template <class Recipe>
void expect_bits_of_a_large_tensor() {
  torch::manual_seed(4);
  Tensors start{torch::randn({3}), torch::randn({1100 * 16384 + 5})};
  for (int i = 0; i < 60; ++i) start.push_back(torch::randn({7 + i}));
  const Tensors host = copies(start, torch::kCPU), device = copies(start, torch::kCUDA);
  Optimizer<Recipe> on_host(host, options<Recipe>()), on_device(device, options<Recipe>());
  for (int t = 0; t < 3; ++t) {
    for (std::size_t i = 0; i < start.size(); ++i) {
      host[i].mutable_grad() = start[i] * (0.1 + 3 * t);
      device[i].mutable_grad() = host[i].grad().to(torch::kCUDA);
    }
    on_host.step();
    on_device.step();
  }
  expect_same_bits(host, device, "parameters");
}

/// A tensor of more chunks than a warp adds: what a rule sums of it, in the reduce pass and between
/// two sweeps.
TEST(CudaSums, OfALargeTensorHaveTheBitsOfTheCpu) {
  expect_bits_of_a_large_tensor<StableHalf>();
  expect_bits_of_a_large_tensor<KeptLAMB>();
}

/// Blocks that count digits of more pieces than one, and of more tensors; a norm of more chunks
/// than a warp adds.
TEST(CudaMedians, OfALargeTensorHaveTheBitsOfTheCpu) {
  expect_bits_of_a_large_tensor<MedianLAMB>();
}

/// Ties, a median among zeros, outliers, infinities and NaN, in tensors of all dtypes at once.
TEST(CudaMedians, HaveTheBitsOfTheCpuWhateverTheGradients) {
  torch::manual_seed(6);
  Tensors start;
  for (const auto dtype : {torch::kFloat, torch::kDouble, torch::kBFloat16, torch::kHalf}) {
    for (const std::int64_t numel : {0, 1, 10, 11, 12, 4096, 4097, 70001}) {
      start.push_back(torch::randn({numel}).to(dtype));
    }
  }
  const Tensors host = copies(start, torch::kCPU), device = copies(start, torch::kCUDA);
  Optimizer<FilteredSGD> on_host(host, options<FilteredSGD>()),
      on_device(device, options<FilteredSGD>());
  const auto bits = [](const Tensors& params) {
    Tensors out;
    for (const Tensor& p : params) out.push_back(p.detach().cpu().nan_to_num(7, 8, 9));
    return out;
  };
  for (int kind = 0; kind < 5; ++kind) {
    for (std::size_t i = 0; i < start.size(); ++i) {
      Tensor g = torch::randn({start[i].numel()});
      if (kind == 0) g = (2 * g).round();
      if (kind == 1) g = torch::where(g > 0.3, g, torch::zeros_like(g));
      if (kind == 2) g = g.pow(5);
      if (kind == 3) g = torch::where(g > 0.1, g * 1e30, g * 0);  // infinite in half
      if (kind == 4) g = torch::where(g > 1, g / 0, g * 1e-40);
      host[i].mutable_grad() = g.to(start[i].scalar_type());
      device[i].mutable_grad() = host[i].grad().to(torch::kCUDA);
    }
    on_host.step();
    on_device.step();
    expect_same_bits(bits(host), bits(device), "kind " + std::to_string(kind));
  }
}

/// Of an even and an odd number of tensors, some of them zeros, some without a gradient.
TEST(CudaMedians, FollowWhoHasAGradient) {
  torch::manual_seed(8);
  Tensors start;
  for (int i = 0; i < 700; ++i) start.push_back(torch::randn({1 + i % 50}));
  const Tensors host = copies(start, torch::kCPU), device = copies(start, torch::kCUDA);
  Optimizer<MedianLAMB> on_host(host, options<MedianLAMB>()),
      on_device(device, options<MedianLAMB>());
  for (int t = 0; t < 6; ++t) {
    for (std::size_t i = 0; i < start.size(); ++i) {
      Tensor g = torch::randn_like(start[i]) * std::pow(10, int(i % 9) - 4);
      if (i % 3 == 0) g.zero_();
      const bool missing = (i + std::size_t(t)) % 5 == 0 || (t == 5 && i > 1);
      host[i].mutable_grad() = missing ? Tensor() : g;
      device[i].mutable_grad() = missing ? Tensor() : g.to(torch::kCUDA);
    }
    on_host.step();
    on_device.step();
    const agmohd::Signals a = on_host.signals(), b = on_device.signals();
    EXPECT_EQ(a.median, b.median);
    EXPECT_EQ(a.nonzero_tensors, b.nonzero_tensors);
  }
  expect_same_bits(host, device, "parameters");
}

TEST(CudaRange, NormsNeitherOverflowNorVanish) {
  for (const double size : {1e19, 1e-19, 1e-25}) {
    double norms[2];
    int i = 0;
    for (const at::Device device : {at::Device(at::kCPU), at::Device(at::kCUDA)}) {
      const Tensor p = torch::zeros({40000}, device).requires_grad_();
      Optimizer<ClippedSGD> optimizer(Tensors{p}, options<ClippedSGD>());
      p.mutable_grad() = torch::full({40000}, size, device);
      optimizer.step();
      EXPECT_TRUE(torch::isfinite(p).all().item<bool>());
      norms[i++] = optimizer.signals().norm2;
    }
    EXPECT_EQ(norms[0], norms[1]);
    EXPECT_NEAR(norms[1] / (40000 * size * size), 1, 1e-6);
  }
}

TEST(CudaRange, ANonFiniteElementIsSeenWhereverItIs) {
  const Tensors params = copies(parameters(torch::kFloat, 37), torch::kCUDA);
  auto optimizer = two_groups<Everything>(params);
  optimizer->options().template set<"bound">(1e12);
  std::int64_t applied = 0;
  for (std::size_t i = 0; i < params.size(); ++i) {
    for (const std::int64_t at : {std::int64_t{0}, params[i].numel() / 2, params[i].numel() - 1}) {
      if (params[i].numel() == 0) continue;
      for (const Tensor& p : params) p.mutable_grad() = torch::ones_like(p);
      const Tensors before = copies(params, torch::kCUDA);
      const Tensor flat = params[i].grad().as_strided({params[i].numel()}, {1});
      flat[at] = at % 2 == 0 ? std::numeric_limits<float>::quiet_NaN() : INFINITY;
      optimizer->step();
      // ClipByValue, which comes before the measurement, leaves NaN and bounds infinity.
      EXPECT_EQ(optimizer->signals().nonfinite, at % 2 == 0 ? 1 : 0) << i << " " << at;
      if (at % 2 == 0) expect_same_bits(before, params, "a step with NaN");
      applied += at % 2 == 0 ? 0 : 1;
    }
  }
  EXPECT_EQ(optimizer->updates(), applied);
}

}  // namespace
