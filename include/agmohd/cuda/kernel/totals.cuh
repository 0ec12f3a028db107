// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "../../step/reduction.hpp"
#include "../view.hpp"
#include "sums.cuh"
#include "swept.cuh"

// What a sweep left, on its way to the memory: the sums of a rule over all tensors, beside what a
// measured sweep measured.
namespace agmohd::cuda {

/// This step's sweep leaves its sums for the next one; in one thread.
template <class Recipe>
__device__ void leave_totals(const View<Recipe>& view) {
  Core<Recipe>& core = *view.core;
  core.totals = view.totals;
  core.totals_chunks = view.chunk_count;
  core.totals_strips = view.strips;
}

/// The sums that the last sweep left go to the memory, added in the order of step/reduction.hpp, by
/// a whole block. Where a chunk has strips there are kMostSamples chunks at most.
template <class Recipe>
__device__ __noinline__ void settle_totals(Core<Recipe>& core) {
  using namespace reduction;
  constexpr int kSums = Recipe::total_count, kWarps = kLanes / kWarp;
  __shared__ double of_chunks[kMostSamples][kSums];
  __shared__ double of_warps[kSums][kWarps];
  const double* const from = core.totals;
  const int chunks = core.totals_chunks, strips = core.totals_strips;
  if (from == nullptr) return;
  const int lane = int(threadIdx.x) % kWarp, first = int(threadIdx.x) / kWarp;
  const int warps = int(blockDim.x) / kWarp;
  if (strips > 0) {
    for (int chunk = first; chunk < chunks; chunk += warps) {
      const double* const own = from + chunk * strips * kSums;
      double sums[kSums];
      fold_strips([&](int i, int w) { return i < strips ? load_fresh(own + i * kSums + w) : 0.0; },
                  sums);
#pragma unroll
      for (int w = 0; w < kSums; ++w) {
        if (lane == 0) of_chunks[chunk][w] = sums[w];
      }
    }
    __syncthreads();
  }
  for (int warp = first; warp < kWarps; warp += warps) {
#pragma unroll
    for (int w = 0; w < kSums; ++w) {
      double sum = 0;
#pragma unroll 4
      for (int i = warp * kWarp + lane; i < chunks; i += kLanes) {
        sum = __dadd_rn(sum, strips > 0 ? of_chunks[i][w] : __ldcg(from + w * chunks + i));
      }
      sum = warp_sum(sum, kWarp / 2);
      if (lane == 0) of_warps[w][warp] = sum;
    }
  }
  __syncthreads();
  if (first != 0) return;
#pragma unroll
  for (int w = 0; w < kSums; ++w) {
    const double sum = warp_sum(lane < kWarps ? of_warps[w][lane] : 0.0, kWarps / 2);
    if (lane == 0) core.memory.totals.of[w] = sum;
  }
}

/// Before a table changes that the last sweep left its sums in, and before the memory is read.
template <class Recipe, class Tag>
__global__ void settle_kernel(Core<Recipe>* core) {
  if constexpr (Recipe::measures_sweep) {
    settle_swept(*core);
    __syncthreads();
    if (threadIdx.x == 0) core->swept = nullptr;
  }
  if constexpr (Recipe::totals) {
    settle_totals(*core);
    __syncthreads();
    if (threadIdx.x == 0) core->totals = nullptr;
  }
}

}  // namespace agmohd::cuda
