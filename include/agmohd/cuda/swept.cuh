// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "../core/reduction.hpp"
#include "add.cuh"
#include "table.hpp"

// What a watched sweep measured, on its way to the memory.
namespace agmohd::cuda {

/// The sweep's pages are to be added by settle_swept(): a block that did it at the sweep's end
/// would be waited for. In one thread.
template <class Recipe>
__device__ void leave_swept(const View<Recipe>& view) {
  view.core->swept = view.swept;
  view.core->swept_elements = view.sampled_elements;
  view.core->swept_pages = view.sample_count;
}

/// What the last watched sweep left goes to the memory, added in the order of core/reduction.hpp,
/// by a whole block.
template <class Recipe>
__device__ __noinline__ void settle_swept(Core<Recipe>& core) {
  using namespace reduction;
  constexpr int kBatch = 4;  // loads in flight
  __shared__ double warps[kLanes / kWarp][kWatched];
  const int threads = int(blockDim.x), pages = core.swept_pages;
  if (core.swept == nullptr) return;
  for (int l = int(threadIdx.x); l < kLanes; l += threads) {
    double sums[kWatched] = {};
    for (int i = l; i < pages; i += kBatch * kLanes) {
      SweptPartial part[kBatch];
#pragma unroll
      for (int j = 0; j < kBatch; ++j) {
        const int from = i + j * kLanes < pages ? i + j * kLanes : i;
#pragma unroll
        for (int w = 0; w < kWatched; ++w) part[j].sums[w] = load_fresh(&core.swept[from].sums[w]);
      }
#pragma unroll
      for (int j = 0; j < kBatch; ++j) {
#pragma unroll
        for (int w = 0; w < kWatched; ++w) {
          sums[w] = __dadd_rn(sums[w], i + j * kLanes < pages ? part[j].sums[w] : 0);
        }
      }
    }
#pragma unroll
    for (int w = 0; w < kWatched; ++w) {
      for (int d = kWarp / 2; d > 0; d /= 2) {
        sums[w] = __dadd_rn(sums[w], __shfl_xor_sync(0xffffffffU, sums[w], d));
      }
      if (l % kWarp == 0) warps[l / kWarp][w] = sums[w];
    }
  }
  __syncthreads();
  if (threadIdx.x >= kWarp) return;
  double sums[kWatched];
#pragma unroll
  for (int w = 0; w < kWatched; ++w) {
    sums[w] = threadIdx.x < kLanes / kWarp ? warps[threadIdx.x][w] : 0;
    for (int d = kLanes / kWarp / 2; d > 0; d /= 2) {
      sums[w] = __dadd_rn(sums[w], __shfl_xor_sync(0xffffffffU, sums[w], d));
    }
  }
  if (threadIdx.x != 0) return;
  core.memory.swept =
      swept(sums, core.swept_elements,
            {std::int64_t(core.guarded), std::int64_t(core.throttled), std::int64_t(core.spoiled)});
}

/// Before a table changes that the last sweep left its sums in, and before the memory is read.
template <class Recipe, class Tag>
__global__ void settle_kernel(Core<Recipe>* core) {
  if constexpr (Recipe::watched) {
    settle_swept(*core);
    __syncthreads();
    if (threadIdx.x == 0) core->swept = nullptr;
  }
}

}  // namespace agmohd::cuda
