// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// What a step launches and allocates.

#include <c10/cuda/CUDACachingAllocator.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <agmohd/agmohd.hpp>
#include <algorithm>
#include <cstdint>
#include <vector>

#include "backend.hpp"

namespace {

using namespace testing_cuda;

TYPED_TEST(CudaBackend, LaunchesAsManyKernelsForAnyNumberOfTensors) {
  for (const int count : {1, 10, 1000}) {
    Tensors params;
    for (int i = 0; i < count; ++i) {
      params.push_back(torch::randn({1 + i % 7, 13}, torch::kCUDA).requires_grad_());
      params.back().mutable_grad() = torch::randn_like(params.back());
    }
    std::vector<agmohd::OptimizerParamGroup> groups;
    for (int i = 0; i < count; i += 4)
      groups.emplace_back(Tensors(params.begin() + i, params.begin() + std::min(i + 4, count)));
    Optimizer<TypeParam> optimizer(groups, options<TypeParam>());
    optimizer.step();
    optimizer.prepare();
    torch::cuda::synchronize();
    const auto [kernels, others] = captured_nodes([&] { optimizer.step(); });
    const int own = TypeParam::two_sweeps ? 5 : TypeParam::wants == 0 ? 1 : 2;
    const int in_front = TypeParam::filters ? 1 + 4 * agmohd::reduction::digits_of<float>
                         : TypeParam::rows  ? 2
                                            : 0;
    const int passes = in_front + (TypeParam::factored ? 1 : 0) + (TypeParam::residual ? 3 : 0);
    EXPECT_EQ(kernels, own + passes) << count;
    EXPECT_EQ(others, 0) << count << " tensors";
  }
}

TYPED_TEST(CudaBackend, AllocatesNothingAfterTheFirstStep) {
  const Tensors params = copies(parameters(torch::kFloat, 3), torch::kCUDA);
  auto optimizer = two_groups<TypeParam>(params);
  for (const Tensor& p : params) p.mutable_grad() = torch::randn_like(p);
  optimizer->step();
  const auto allocations = [] {
    return c10::cuda::CUDACachingAllocator::getDeviceStats(0).allocation[0].allocated;
  };
  const auto before = allocations();
  for (int i = 0; i < 10; ++i) {
    optimizer->param_groups()[0].options().set_lr(1e-3 * i);
    optimizer->step();
  }
  EXPECT_EQ(allocations(), before);
}

TEST(CudaSnapshots, OnTheHostTakeNoneOfTheDevice) {
  const auto used = [](bool on_host) {
    const auto bytes = [] {
      return c10::cuda::CUDACachingAllocator::getDeviceStats(0).allocated_bytes[0].current;
    };
    const Tensors params = copies(parameters(torch::kFloat, 3), torch::kCUDA);
    for (const Tensor& p : params) p.mutable_grad() = torch::randn_like(p);
    agmohd::AGMOHD optimizer(
        params, agmohd::AGMOHDOptions(1e-3).snapshots(true).snapshots_on_host(on_host));
    const auto before = bytes();
    optimizer.step();
    return bytes() - before;
  };
  std::int64_t expected = 0;
  for (const Tensor& p : parameters(torch::kFloat, 3)) expected += 2 * 3 * 4 * p.numel();
  EXPECT_GE(used(false) - used(true), expected);
}

}  // namespace
