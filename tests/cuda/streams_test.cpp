// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// Steps on many streams.

#include <ATen/cuda/Sleep.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <cuda_runtime.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <agmohd/agmohd.hpp>
#include <cstdint>
#include <set>
#include <vector>

#include "backend.hpp"

namespace {

using namespace testing_cuda;

TEST(CudaStreams, TablesOutliveTheKernelsOfOtherStreams) {
  Tensors runs[2];
  for (int run = 0; run < 2; ++run) {
    Tensors& params = runs[run];
    for (int i = 0; i < 40; ++i) {
      torch::manual_seed(std::uint64_t(i));
      params.push_back(torch::randn({5000}).to(torch::kCUDA).requires_grad_());
      params.back().mutable_grad() = torch::ones_like(params.back());
    }
    agmohd::OptimizerParamGroup first(Tensors{params[0]});
    Optimizer<ClippedSGD> optimizer(std::vector<agmohd::OptimizerParamGroup>{first},
                                    options<ClippedSGD>());
    torch::cuda::synchronize();
    for (std::size_t i = 1; i < params.size(); ++i) {  // the table grows, on one stream or many
      const c10::cuda::CUDAStreamGuard guard(run == 0 ? c10::cuda::getDefaultCUDAStream()
                                                      : c10::cuda::getStreamFromPool());
      optimizer.step();
      optimizer.add_param_group(agmohd::OptimizerParamGroup(Tensors{params[i]}));
      const Tensor garbage = torch::full({20000}, 1e30, torch::kCUDA);  // takes what was freed
    }
    torch::cuda::synchronize();
  }
  expect_same_bits(runs[0], runs[1], "one stream and many");
}

TEST(CudaStreams, AreHonouredAndOrdered) {
  Tensors runs[2];
  for (int run = 0; run < 2; ++run) {
    Tensors& params = runs[run];
    params = copies(parameters(torch::kFloat, 13), torch::kCUDA);
    std::vector<Tensors> gradients;  // all alive until the end: no stream may reuse their memory
    for (int t = 0; t < 30; ++t) {
      set_gradients(params, t, 1);
      // One that is laid out otherwise, and so copied around the step.
      if (t % 2 == 0) params[6].mutable_grad() = params[6].grad().t().contiguous().t();
      Tensors& set = gradients.emplace_back();
      for (const Tensor& p : params) set.push_back(p.grad());
    }
    auto optimizer = two_groups<Everything>(params);
    torch::cuda::synchronize();
    for (const Tensors& set : gradients) {
      const c10::cuda::CUDAStreamGuard guard(run == 0 ? c10::cuda::getDefaultCUDAStream()
                                                      : c10::cuda::getStreamFromPool());
      for (std::size_t i = 0; i < params.size(); ++i) params[i].mutable_grad() = set[i];
      optimizer->step();
    }
    torch::cuda::synchronize();
  }
  expect_same_bits(runs[0], runs[1], "one stream and many");
}

/// What is freed goes to the stream that allocated it, here while another still works on it.
TEST(CudaStreams, MemoryIsNotGivenOutWhileOneWorksOnIt) {
  const Tensors params = copies({torch::randn({50000}), torch::randn({50000})}, torch::kCUDA);
  for (const Tensor& p : params) p.mutable_grad() = torch::ones_like(p);
  agmohd::AGMOHD optimizer(params, agmohd::AGMOHDOptions(1e-3).snapshots(true));
  torch::cuda::synchronize();
  const auto first = c10::cuda::getStreamFromPool(), second = c10::cuda::getStreamFromPool();
  std::set<const void*> used;
  {
    const c10::cuda::CUDAStreamGuard guard(first);
    optimizer.step();
    first.synchronize();
    auto& state = static_cast<agmohd::AGMOHD::ParamState&>(
        *optimizer.state().at(params[0].unsafeGetTensorImpl()));
    const auto note = [&](std::size_t, const Tensor& x) {
      if (x.defined()) used.insert(x.const_data_ptr());
    };
    state.for_each_slot(note);
    state.for_each_kept(note);
  }
  EXPECT_EQ(used.size(), 8);
  {
    const c10::cuda::CUDAStreamGuard guard(second);
    at::cuda::sleep(kLong);
    optimizer.step();
    optimizer.state().erase(params[0].unsafeGetTensorImpl());
    params[0].mutable_grad() = Tensor();
    optimizer.step();  // the optimizer itself lets go of it
  }
  Tensors others;
  {
    const c10::cuda::CUDAStreamGuard guard(first);
    for (int i = 0; i < 12; ++i) {
      others.push_back(torch::empty({50000}, torch::kCUDA));
      EXPECT_EQ(used.count(others.back().const_data_ptr()), 0) << i;
    }
  }
  EXPECT_FALSE(second.query()) << "the host was too late to show anything";
  torch::cuda::synchronize();
}

TEST(CudaStreams, PreparingComesAfterTheLastStep) {
  Tensors found;
  for (const bool waits : {true, false}) {
    const Tensor p = torch::ones({64, 64}, torch::kCUDA).requires_grad_();
    const Tensor turned = torch::ones({64, 64}, torch::kCUDA).t();
    const Tensor grad = torch::rand({64, 64}, torch::kCUDA);
    grad.copy_(torch::arange(4096).view({64, 64}));
    const Tensor turned_grad = grad.t().contiguous().t();
    Optimizer<agmohd::recipe::AdamW> optimizer(Tensors{p}, options<agmohd::recipe::AdamW>());
    p.mutable_grad() = grad;
    optimizer.step();
    torch::cuda::synchronize();
    {
      const c10::cuda::CUDAStreamGuard guard(c10::cuda::getStreamFromPool());
      at::cuda::sleep(kLong / 4);
      optimizer.step();
    }
    if (waits) torch::cuda::synchronize();
    const c10::cuda::CUDAStreamGuard guard(c10::cuda::getStreamFromPool());
    p.set_data(turned);  // the state has to be laid out anew
    p.mutable_grad() = turned_grad;
    optimizer.prepare();
    torch::cuda::synchronize();
    for (const Tensor& x : states(optimizer, {p})) found.push_back(x.cpu());
  }
  ASSERT_EQ(found.size(), 6);
  expect_same_bits({found.begin(), found.begin() + 3}, {found.begin() + 3, found.end()}, "states");
}

TEST(CudaStreams, OneThatWasDestroyedIsNotAskedAnyMore) {
  Tensors params;
  for (int i = 0; i < 60; ++i) {
    params.push_back(torch::ones({300}, torch::kCUDA).requires_grad_());
    params.back().mutable_grad() = torch::ones_like(params.back());
  }
  Optimizer<ClippedSGD> optimizer(Tensors{params[0]}, options<ClippedSGD>());
  optimizer.step();
  torch::cuda::synchronize();
  cudaStream_t own = nullptr;
  ASSERT_EQ(cudaStreamCreateWithFlags(&own, cudaStreamNonBlocking), cudaSuccess);
  {
    const c10::cuda::CUDAStreamGuard guard(c10::cuda::getStreamFromExternal(own, 0));
    optimizer.step();
  }
  ASSERT_EQ(cudaStreamDestroy(own), cudaSuccess);
  optimizer.add_param_group(  // a larger table, so that the one before is freed
      agmohd::OptimizerParamGroup(Tensors(params.begin() + 1, params.end())));
  optimizer.step();
  torch::cuda::synchronize();
  EXPECT_EQ(optimizer.updates(), 3);
}

TEST(CudaStreams, HaveNumbersThatNoneHasAgain) {
  const agmohd::cuda::Gpu gpu{0, agmohd::cuda::find_kernels<ClippedSGD>()->runtime};
  std::set<unsigned long long> numbers{gpu.number_of(nullptr)};
  std::set<cudaStream_t> addresses;
  for (int i = 0; i < 100; ++i) {
    cudaStream_t stream = nullptr;
    ASSERT_EQ(cudaStreamCreate(&stream), cudaSuccess);
    EXPECT_TRUE(numbers.insert(gpu.number_of(stream)).second) << i;
    addresses.insert(stream);
    ASSERT_EQ(cudaStreamDestroy(stream), cudaSuccess);
  }
  RecordProperty("addresses", int(addresses.size()));
}

}  // namespace
