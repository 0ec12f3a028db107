// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "../core/reduction.hpp"
#include "access.cuh"
#include "decide.cuh"
#include "lane.cuh"
#include "table.cuh"
#include "tuning.hpp"

// Phase 1 of a step. `Tag` is a type of the including unit's own, so that two units never share a
// kernel.
namespace agmohd::cuda {

__device__ inline std::uint32_t magnitude(float x) { return __float_as_uint(x) & 0x7fffffffU; }
__device__ inline std::uint64_t magnitude(double x) {
  return static_cast<std::uint64_t>(__double_as_longlong(x)) & 0x7fffffffffffffffULL;
}
__device__ inline double magnitude_value(std::uint32_t bits) {
  return double(__uint_as_float(bits));
}
__device__ inline double magnitude_value(std::uint64_t bits) {
  return __longlong_as_double(static_cast<long long>(bits));
}

/// A Partial on its way; magnitudes compare as integers, NaN above all.
template <class Bits>
struct Measured {
  double norm2;
  Bits most;
  long long nonfinite;
};

__device__ inline std::uint32_t warp_max(std::uint32_t x) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  return __reduce_max_sync(0xffffffffU, x);
#else
  for (int d = 16; d > 0; d /= 2) x = max(x, __shfl_xor_sync(0xffffffffU, x, d));
  return x;
#endif
}
__device__ inline std::uint64_t warp_max(std::uint64_t x) {
  for (int d = 16; d > 0; d /= 2) {
    const std::uint64_t other = __shfl_xor_sync(0xffffffffU, static_cast<unsigned long long>(x), d);
    x = other > x ? other : x;
  }
  return x;
}

/// The butterfly of core/reduction.hpp within a warp, from distance `d` on.
template <class Bits>
__device__ Measured<Bits> warp_sum(Measured<Bits> x, int d) {
  x.most = warp_max(x.most);
  const bool rare = __any_sync(0xffffffffU, x.nonfinite != 0) != 0;
#pragma unroll
  for (; d > 0; d /= 2) {
    x.norm2 = __dadd_rn(x.norm2, __shfl_xor_sync(0xffffffffU, x.norm2, d));
    if (rare) x.nonfinite += __shfl_xor_sync(0xffffffffU, x.nonfinite, d);
  }
  return x;
}

/// The same over the warps' sums, by one whole warp; in its first lane.
template <class Bits>
__device__ reduction::Partial fold_warps(const Measured<Bits>* warps) {
  using namespace reduction;
  constexpr int kWarps = kLanes / kWarp;
  const int lane = int(threadIdx.x) % kWarp;
  const Measured<Bits> x = warp_sum(lane < kWarps ? warps[lane] : Measured<Bits>{}, kWarps / 2);
  return {x.norm2, magnitude_value(x.most), x.nonfinite};
}

/// What one lane owns of a page.
template <class Recipe, class E>
__device__ auto measure_lane(const E* grad, int count, bool vector, int lane,
                             const typename Recipe::Shared& shared) {
  using namespace reduction;
  using R = Compute<E>;
  using T = strict<R>;
  Measured<decltype(magnitude(R()))> out{};
  T a[4] = {};
  const auto add = [&](int j, T g) {
    g = Recipe::measured(g, shared);
    a[j] = a[j] + g * g;
    const auto m = magnitude(g.v);
    out.most = m > out.most ? m : out.most;
  };
  if (count == kPage) {  // all loads before the first use
    Pack<E> packs[kRows];
    const E* const from = grad + 4 * lane;
    if (vector) {
#pragma unroll
      for (int row = 0; row < kRows; ++row)
        packs[row] = *reinterpret_cast<const Pack<E>*>(from + row * kRow);
    } else {
#pragma unroll
      for (int row = 0; row < kRows; ++row) {
#pragma unroll
        for (int j = 0; j < 4; ++j) packs[row].x[j] = from[row * kRow + j];
      }
    }
#pragma unroll
    for (int row = 0; row < kRows; ++row) {
#pragma unroll
      for (int j = 0; j < 4; ++j) add(j, T{widen(packs[row].x[j])});
    }
  } else {
    for (int i = 4 * lane; i < count; i += kRow) {
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        if (i + j < count) add(j, T{widen(grad[i + j])});
      }
    }
  }
  out.norm2 = double(((a[0] + a[1]) + (a[2] + a[3])).v);
  if (!extreme(out.most)) return out;
  strict<double> rescued{0};
  for (int row = 4 * lane; row < count; row += kRow) {
    for (int i = row; i < row + 4 && i < count; ++i) {
      const strict<double> g{double(Recipe::measured(T{widen(grad[i])}, shared).v)};
      rescued = rescued + g * g;
      if (!((g - g).v == 0)) ++out.nonfinite;
    }
  }
  if (sizeof(R) == 4) out.norm2 = rescued.v;
  return out;
}

/// All pages together, in every thread, in the order of core/reduction.hpp.
__device__ inline Signals add_pages(const reduction::Partial* partials, int pages) {
  using namespace reduction;
  constexpr int kBatch = 4;  // loads in flight
  __shared__ Measured<std::uint64_t> warps[kLanes / kWarp];
  __shared__ Partial sum;
  for (int lane = int(threadIdx.x); lane < kLanes; lane += int(blockDim.x)) {
    Measured<std::uint64_t> x{};
    for (int i = lane; i < pages; i += kBatch * kLanes) {
      double norm2[kBatch], max_abs[kBatch];
      long long nonfinite[kBatch];
#pragma unroll
      for (int j = 0; j < kBatch; ++j) {
        const int at = i + j * kLanes < pages ? i + j * kLanes : i;
        norm2[j] = __ldcg(&partials[at].norm2);
        max_abs[j] = __ldcg(&partials[at].max_abs);
        nonfinite[j] = __ldcg(reinterpret_cast<const long long*>(&partials[at].nonfinite));
      }
#pragma unroll
      for (int j = 0; j < kBatch; ++j) {
        if (i + j * kLanes >= pages) break;
        x.norm2 = __dadd_rn(x.norm2, norm2[j]);
        const std::uint64_t m = magnitude(max_abs[j]);
        x.most = m > x.most ? m : x.most;
        x.nonfinite += nonfinite[j];
      }
    }
    x = warp_sum(x, kWarp / 2);
    if (lane % kWarp == 0) warps[lane / kWarp] = x;
  }
  __syncthreads();
  if (threadIdx.x < kWarp) {
    const Partial total = fold_warps(warps);
    if (threadIdx.x == 0) sum = total;
  }
  __syncthreads();
  Signals signals;
  signals.norm2 = sum.norm2;
  signals.max_abs = sum.max_abs;
  signals.nonfinite = sum.nonfinite;
  return signals;
}

/// A block measures `pages` pages after another, its warps each at their own pace. The last blocks
/// of all reduce launches of the step add the pages and, if `alone`, decide.
template <class Recipe, class Tag, class E>
__global__ void __launch_bounds__(512, sizeof(Compute<E>) == 4 ? 2 : 1)
    reduce_kernel(const View<Recipe> view, int first_page, int page_count, int pages, bool alone) {
  using namespace reduction;
  using Bits = decltype(magnitude(Compute<E>()));
  constexpr int kWarps = kLanes / kWarp;
  __shared__ Measured<Bits> warps[kMostPages][kWarps];
  allow_kernel_after();
  const int begin = int(blockIdx.x) * pages;
  const int mine = page_count - begin < pages ? page_count - begin : pages;
  for (int p = 0; p < mine; ++p) {
    const PageRef ref = view.pages[first_page + begin + p];
    const std::int64_t first = std::int64_t(ref.page) * kPage;
    const std::int64_t left = view.tensors[ref.tensor].numel - first;
    const E* const grad = static_cast<const E*>(view.grads[ref.tensor]) + first;
    const int count = int(left < kPage ? left : kPage);
    const bool vector = aligned(grad);
    for (int lane = int(threadIdx.x); lane < kLanes; lane += int(blockDim.x)) {
      const int warp = lane / kWarp;
      if (4 * kWarp * warp >= count) {  // nothing here: warps without elements add zero
        if (lane % kWarp == 0) warps[p][warp] = {};
        continue;
      }
      const auto x =
          warp_sum(measure_lane<Recipe>(grad, count, vector, lane, view.core->shared), kWarp / 2);
      if (lane % kWarp == 0) warps[p][warp] = x;
    }
  }
  __syncthreads();
  for (int p = int(threadIdx.x) / kWarp; p < mine; p += int(blockDim.x) / kWarp) {
    const Partial sum = fold_warps(warps[p]);
    if (threadIdx.x % kWarp == 0) view.partials[first_page + begin + p] = sum;
  }
  __syncthreads();
  __shared__ unsigned turn;
  if (threadIdx.x == 0) turn = arrive(*view.core);
  __syncthreads();
  const unsigned blocks = unsigned(view.reduce_blocks);
  if (alone) {
    if (turn + unsigned(view.deciders) < blocks) return;
    decide_together(view, turn, blocks, [&] {
      const Signals signals = add_pages(view.partials, view.page_count);
      if (threadIdx.x == 0) view.core->signals[view.parity] = signals;
      return signals;
    });
  } else if (turn + 1 == blocks) {
    __threadfence();
    const Signals signals = add_pages(view.partials, view.page_count);
    if (threadIdx.x != 0) return;
    view.core->signals[view.parity] = signals;
    view.core->arrived = 0;
  }
}

}  // namespace agmohd::cuda
