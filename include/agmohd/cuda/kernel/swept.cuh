// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "../../step/reduction.hpp"
#include "../view.hpp"
#include "sums.cuh"

// What a measured sweep measured, on its way to the memory.
namespace agmohd::cuda {

/// Where the sums of a sampled chunk lie, or where its strips are swept by several blocks, theirs.
template <class Recipe>
__device__ reduction::SweptPartial* swept_of(const View<Recipe>& view, int chunk) {
  return view.swept + (view.strips > 0 ? chunk * view.strips : chunk / view.sample_every);
}

/// The sweep's chunks are to be added by settle_swept(): a block that did it at the sweep's end
/// would be waited for. In one thread.
template <class Recipe>
__device__ void leave_swept(const View<Recipe>& view) {
  Core<Recipe>& core = *view.core;
  core.swept = view.swept;
  core.swept_elements = view.sampled_elements[core.phase];
  core.swept_chunks = int(reduction::samples(view.chunk_count, core.phase));
  core.swept_strips = view.strips;
}

/// The strips of a chunk together, by one whole warp, in its first lane. `at(i, w)`: sum w of strip
/// i, 0 where there is none.
template <int kSums, class At>
__device__ void fold_strips(const At& at, double (&out)[kSums]) {
  using namespace reduction;
  constexpr int kEach = kStrips / kWarp;
  const int lane = int(threadIdx.x) % kWarp;
#pragma unroll
  for (int w = 0; w < kSums; ++w) {
    double sums[kEach];
#pragma unroll
    for (int e = 0; e < kEach; ++e) sums[e] = at(e * kWarp + lane, w);
#pragma unroll
    for (int d = kEach / 2; d > 0; d /= 2) {
#pragma unroll
      for (int e = 0; e < d; ++e) sums[e] = __dadd_rn(sums[e], sums[e + d]);
    }
#pragma unroll
    for (int d = kWarp / 2; d > 0; d /= 2) {
      sums[0] = __dadd_rn(sums[0], __shfl_xor_sync(0xffffffffU, sums[0], d));
    }
    out[w] = sums[0];
  }
}

/// What the last measured sweep left goes to the memory, added in the order of step/reduction.hpp,
/// by a whole block. Sampled chunks are fewer than a fourth of 512: a lane has one at most.
template <class Recipe>
__device__ __noinline__ void settle_swept(Core<Recipe>& core) {
  using namespace reduction;
  static_assert(kMostSamples < kLanes / 4);
  constexpr int kWarps = kLanes / 4 / kWarp;
  __shared__ alignas(8) unsigned char storage[(kMostSamples + 1) * sizeof(SweptPartial)];
  SweptPartial* const of_chunks = reinterpret_cast<SweptPartial*>(storage);
  const SweptPartial* const from = core.swept;
  const int chunks = core.swept_chunks, strips = core.swept_strips;
  const double elements = core.swept_elements;  // all loads are under way at once
  const Counts counts{std::int64_t(core.guarded), std::int64_t(core.throttled),
                      std::int64_t(core.spoiled)};
  if (from == nullptr) return;
  const int lane = int(threadIdx.x) % kWarp, warp = int(threadIdx.x) / kWarp;
  if (strips > 0) {
    for (int p = warp; p < chunks; p += int(blockDim.x) / kWarp) {
      SweptPartial sum;
      fold_strips(
          [&](int i, int w) {
            return i < strips ? load_fresh(&from[p * strips + i].sums[w]) : 0.0;
          },
          sum.sums);
      if (lane == 0) of_chunks[p] = sum;
    }
  } else {
    for (int i = int(threadIdx.x); i < chunks * kSweepSums; i += int(blockDim.x)) {
      of_chunks[i / kSweepSums].sums[i % kSweepSums] = load_fresh(from->sums + i);
    }
  }
  __syncthreads();
  if (warp != 0) return;
  double sums[kSweepSums];
#pragma unroll
  for (int w = 0; w < kSweepSums; ++w) {
    double warps[kWarps];
#pragma unroll
    for (int v = 0; v < kWarps; ++v) {
      const int chunk = v * kWarp + lane;
      warps[v] = chunk < chunks ? of_chunks[chunk].sums[w] : 0;
#pragma unroll
      for (int d = kWarp / 2; d > 0; d /= 2) {
        warps[v] = __dadd_rn(warps[v], __shfl_xor_sync(0xffffffffU, warps[v], d));
      }
    }
    static_assert(kWarps == 4);
    sums[w] = __dadd_rn(__dadd_rn(warps[0], warps[2]), __dadd_rn(warps[1], warps[3]));
  }
  if (lane != 0) return;
  core.memory.swept = swept(sums, elements, counts);
}

}  // namespace agmohd::cuda
