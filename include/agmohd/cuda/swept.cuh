// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "../core/reduction.hpp"
#include "add.cuh"
#include "table.hpp"

// What a watched sweep measured, on its way to the memory.
namespace agmohd::cuda {

/// Where the sums of a sampled page lie, or where its pieces are swept by several blocks, theirs.
template <class Recipe>
__device__ reduction::SweptPartial* swept_of(const View<Recipe>& view, int page) {
  return view.swept + (view.pieces > 0 ? page * view.pieces : page / view.sample_every);
}

/// The sweep's pages are to be added by settle_swept(): a block that did it at the sweep's end
/// would be waited for. In one thread.
template <class Recipe>
__device__ void leave_swept(const View<Recipe>& view) {
  Core<Recipe>& core = *view.core;
  core.swept = view.swept;
  core.swept_elements = view.sampled_elements[core.phase];
  core.swept_pages = int(reduction::samples(view.page_count, core.phase));
  core.swept_pieces = view.pieces;
}

/// The pieces of a page together, by one whole warp, in its first lane. `at(i, w)`: sum w of piece
/// i, 0 where there is none.
template <class At>
__device__ reduction::SweptPartial fold_pieces(const At& at) {
  using namespace reduction;
  constexpr int kEach = kPieces / kWarp;
  const int lane = int(threadIdx.x) % kWarp;
  SweptPartial out;
#pragma unroll
  for (int w = 0; w < kWatched; ++w) {
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
    out.sums[w] = sums[0];
  }
  return out;
}

/// What the last watched sweep left goes to the memory, added in the order of core/reduction.hpp,
/// by a whole block. Sampled pages are fewer than a fourth of 512: a lane has one at most.
template <class Recipe>
__device__ __noinline__ void settle_swept(Core<Recipe>& core) {
  using namespace reduction;
  static_assert(kMostSamples < kLanes / 4);
  constexpr int kWarps = kLanes / 4 / kWarp;
  __shared__ alignas(8) unsigned char storage[(kMostSamples + 1) * sizeof(SweptPartial)];
  SweptPartial* const of_pages = reinterpret_cast<SweptPartial*>(storage);
  const SweptPartial* const from = core.swept;
  const int pages = core.swept_pages, pieces = core.swept_pieces;
  const double elements = core.swept_elements;  // all loads are under way at once
  const Counts counts{std::int64_t(core.guarded), std::int64_t(core.throttled),
                      std::int64_t(core.spoiled)};
  if (from == nullptr) return;
  const int lane = int(threadIdx.x) % kWarp, warp = int(threadIdx.x) / kWarp;
  if (pieces > 0) {
    for (int p = warp; p < pages; p += int(blockDim.x) / kWarp) {
      const SweptPartial sum = fold_pieces([&](int i, int w) {
        return i < pieces ? load_fresh(&from[p * pieces + i].sums[w]) : 0.0;
      });
      if (lane == 0) of_pages[p] = sum;
    }
  } else {
    for (int i = int(threadIdx.x); i < pages * kWatched; i += int(blockDim.x)) {
      of_pages[i / kWatched].sums[i % kWatched] = load_fresh(from->sums + i);
    }
  }
  __syncthreads();
  if (warp != 0) return;
  double sums[kWatched];
#pragma unroll
  for (int w = 0; w < kWatched; ++w) {
    double warps[kWarps];
#pragma unroll
    for (int v = 0; v < kWarps; ++v) {
      const int page = v * kWarp + lane;
      warps[v] = page < pages ? of_pages[page].sums[w] : 0;
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
