// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
// An optimizer of two groups, its states and its launches; the suite of all recipes.

#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <cuda_runtime.h>
#include <gtest/gtest.h>

#include <agmohd/agmohd.hpp>
#include <agmohd/wrap/mask.hpp>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "options.hpp"
#include "tensors.hpp"

namespace testing_cuda {

template <class Recipe>
std::unique_ptr<Optimizer<Recipe>> two_groups(const Tensors& params) {
  using O = Optimizer<Recipe>;
  std::vector<agmohd::OptimizerParamGroup> groups;
  groups.emplace_back(Tensors(params.begin(), params.begin() + 3));
  groups.emplace_back(Tensors(params.begin() + 3, params.end()),
                      std::make_unique<typename O::Options>(5e-3));
  return std::make_unique<O>(groups, options<Recipe>());
}

/// Every third element of each parameter, where the rule has a mask.
template <class O>
void freeze_some(O& optimizer, const Tensors& params) {
  if constexpr (agmohd::wrap::HasMask<O>) {
    for (const Tensor& p : params) {
      agmohd::wrap::set_mask(optimizer, p, torch::arange(p.numel()).view(p.sizes()).remainder(3));
    }
  }
}

template <class Recipe>
Tensors states(Optimizer<Recipe>& optimizer, const Tensors& params) {
  Tensors out;
  for (const Tensor& p : params) {
    const auto found = optimizer.state().find(p.unsafeGetTensorImpl());
    if (found == optimizer.state().end()) continue;
    auto& state = static_cast<typename Optimizer<Recipe>::ParamState&>(*found->second);
    out.push_back(torch::tensor(state.step()));
    state.for_each_slot([&](std::size_t, Tensor& slot) {
      if (slot.defined()) out.push_back(slot);
    });
  }
  return out;
}

/// Builds for machines that cannot run these tests lack kernels of some recipes.
template <class Recipe>
class CudaBackend : public ::testing::Test {
 protected:
  void SetUp() override {
#ifndef AGMOHD_ALL_TEST_KERNELS
    if (agmohd::cuda::find_kernels<Recipe>() == nullptr) {
      GTEST_SKIP() << "no kernels of " << Recipe::name() << ": built without AGMOHD_CUDA=ON";
    }
#endif
  }
};
using Recipes = ::testing::Types<
    agmohd::recipe::SGD, agmohd::recipe::Adam, agmohd::recipe::AdamW, ClippedSGD, Everything,
    HalfState, StableHalf, PlateauLion, PlainRMSprop, PlainAdagrad, ClippedNovoGrad, KeptLAMB,
    NoisyAdamW, RowsSGD, RowsLAMB, CentralizedLAMB, RowsAdafactor, MeasuredAdafactor, OrthogonalSGD,
    ClippedPowers, OrthogonalAdafactor, FilteredSGD, FilteredAdafactor, MedianLAMB, RowsAdamMini,
    MeasuredAdamMini, RowsCAME, MeasuredCAME, KeptHyperball, ProdigyNorm, MeasuredProdigy,
    PlainDAdaptAdam, GroupedSGD, MaskedAdamW, MaskedSGD, CappedAdamW>;
TYPED_TEST_SUITE(CudaBackend, Recipes);

/// Kernels and other nodes of a captured step.
template <class Step>
std::pair<int, int> captured_nodes(Step step) {
  const c10::cuda::CUDAStream side = c10::cuda::getStreamFromPool();
  const c10::cuda::CUDAStreamGuard guard(side);
  cudaGraph_t graph = nullptr;
  EXPECT_EQ(cudaStreamBeginCapture(side, cudaStreamCaptureModeGlobal), cudaSuccess);
  step();
  EXPECT_EQ(cudaStreamEndCapture(side, &graph), cudaSuccess);
  std::size_t count = 0;
  EXPECT_EQ(cudaGraphGetNodes(graph, nullptr, &count), cudaSuccess);
  std::vector<cudaGraphNode_t> nodes(count);
  EXPECT_EQ(cudaGraphGetNodes(graph, nodes.data(), &count), cudaSuccess);
  int kernels = 0;
  for (const cudaGraphNode_t node : nodes) {
    cudaGraphNodeType type{};
    EXPECT_EQ(cudaGraphNodeGetType(node, &type), cudaSuccess);
    kernels += type == cudaGraphNodeTypeKernel ? 1 : 0;
  }
  EXPECT_EQ(cudaGraphDestroy(graph), cudaSuccess);
  return {kernels, int(count) - kernels};
}

/// So long that a host which waits for nothing is done before: about a second.
constexpr std::int64_t kLong = 2000000000;

}  // namespace testing_cuda
