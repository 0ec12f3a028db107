// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "../core/reduction.hpp"
#include "access.cuh"
#include "decide.cuh"
#include "lane.cuh"
#include "swept.cuh"
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

/// The same over the sums of the first `count` warps, the others being zero; by one whole warp, in
/// its first lane.
template <class Bits>
__device__ reduction::Partial fold_warps(const Measured<Bits>* warps, int count) {
  using namespace reduction;
  const int lane = int(threadIdx.x) % kWarp;
  const Measured<Bits> x =
      warp_sum(lane < count ? warps[lane] : Measured<Bits>{}, kLanes / kWarp / 2);
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
  static_assert(kRows == 8);
  if (count == kPage) {  // all loads before the first use
    const E* const from = grad + 4 * lane;
    if (vector) {
      Bundle<E, 4> packs[kRows];
#pragma unroll
      for (int row = 0; row < kRows; ++row) packs[row].load(from + row * kRow);
#pragma unroll
      for (int row = 0; row < kRows; ++row) {
#pragma unroll
        for (int j = 0; j < 4; ++j) add(j, T{packs[row].widened(j)});
      }
    } else {
#pragma unroll 1
      for (int half = 0; half < kPage; half += 4 * kRow) {
        E x[4][4];
#pragma unroll
        for (int row = 0; row < 4; ++row) {
#pragma unroll
          for (int j = 0; j < 4; ++j) x[row][j] = from[half + row * kRow + j];
        }
#pragma unroll
        for (int row = 0; row < 4; ++row) {
#pragma unroll
          for (int j = 0; j < 4; ++j) add(j, T{widen(x[row][j])});
        }
      }
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

/// What a thread adds of the pages: lanes threadIdx.x, threadIdx.x + blockDim.x, ..., of which it
/// has kOwn.
template <int kOwn>
__device__ void add_lanes(const reduction::Partial* partials, int pages,
                          Measured<std::uint64_t>* warps) {
  using namespace reduction;
  constexpr int kBatch = 8;  // loads in flight
  const int threads = int(blockDim.x), thread = int(threadIdx.x);
  Measured<std::uint64_t> x[kOwn] = {};
  for (int i = thread; i < pages; i += kBatch * threads) {
    Partial part[kBatch];
#pragma unroll
    for (int j = 0; j < kBatch; ++j) {
      part[j] = load_partial(partials + (i + j * threads < pages ? i + j * threads : i));
    }
#pragma unroll
    for (int j = 0; j < kBatch; ++j) {
      if (i + j * threads >= pages) break;
      Measured<std::uint64_t>& to = x[j % kOwn];
      const std::uint64_t m = magnitude(part[j].max_abs);
      to.norm2 = __dadd_rn(to.norm2, part[j].norm2);
      to.most = m > to.most ? m : to.most;
      to.nonfinite += part[j].nonfinite;
    }
  }
#pragma unroll
  for (int own = 0; own < kOwn; ++own) {
    const auto sum = warp_sum(x[own], kWarp / 2);
    if (thread % kWarp == 0) warps[(thread + own * threads) / kWarp] = sum;
  }
}

/// All pages together, in the order of core/reduction.hpp; in the first thread.
__device__ inline Signals add_pages(const reduction::Partial* partials, int pages) {
  using namespace reduction;
  __shared__ Measured<std::uint64_t> warps[kLanes / kWarp];
  if (blockDim.x == kLanes) {
    add_lanes<1>(partials, pages, warps);
  } else if (blockDim.x == kLanes / 2) {
    add_lanes<2>(partials, pages, warps);
  } else {
    add_lanes<4>(partials, pages, warps);
  }
  __syncthreads();
  Signals signals;
  if (threadIdx.x < kWarp) {
    const Partial sum = fold_warps(warps, kLanes / kWarp);
    signals.norm2 = sum.norm2;
    signals.max_abs = sum.max_abs;
    signals.nonfinite = sum.nonfinite;
  }
  return signals;
}

/// A page of gradients.
template <class E>
struct GradPage {
  const E* grad;
  int count;
  bool vector;

  template <class Recipe>
  __device__ GradPage(const View<Recipe>& view, int index) {
    const PageRef ref = view.pages[index];
    const std::int64_t first = std::int64_t(ref.page) * reduction::kPage;
    const std::int64_t left = view.tensors[ref.tensor].numel - first;
    grad = static_cast<const E*>(view.grads[ref.tensor]) + first;
    count = int(left < reduction::kPage ? left : reduction::kPage);
    vector = Bundle<E, 4>::aligned(grad);
  }
  /// How many of the 16 logical warps have elements.
  __device__ int warps() const {
    using namespace reduction;
    const int found = (count + 4 * kWarp - 1) / (4 * kWarp);
    return found < kLanes / kWarp ? found : kLanes / kWarp;
  }
};

/// The logical warps of a block's pages.
template <class Bits>
struct BlockSums {
  Measured<Bits> of[kMostPages][reduction::kLanes / reduction::kWarp];
  int counts[kMostPages];  // of warps that have elements; others would add zero
};

/// The pages of a block, of elements E, one after another by all its warps, each at its own pace;
/// or where pages are tiny by a warp each.
template <class Recipe, class E, class Bits>
__device__ void measure_pages(const View<Recipe>& view, int first, int pages, bool tiny,
                              BlockSums<Bits>& sums) {
  using namespace reduction;
  const int lane = int(threadIdx.x) % kWarp, warp = int(threadIdx.x) / kWarp;
  const int stride = int(blockDim.x) / kWarp;
  for (int p = tiny ? warp : 0; p < pages; p += tiny ? stride : 1) {
    const GradPage<E> page(view, first + p);
    const int active = page.warps();
    for (int w = tiny ? 0 : warp; w < active; w += tiny ? 1 : stride) {
      const auto x = warp_sum(measure_lane<Recipe>(page.grad, page.count, page.vector,
                                                   w * kWarp + lane, view.core->shared),
                              kWarp / 2);
      if (lane == 0) sums.of[p][w] = x;
    }
    if (lane == 0 && (tiny || warp == 0)) sums.counts[p] = active;
  }
}

/// A block measures `pages` pages. The last blocks of all reduce launches of the step add the pages
/// and, if `alone`, decide. One kernel for all dtypes whose sums are made in R: the decision is
/// large, and would be compiled once for each.
template <class Recipe, class Tag, class R>
__global__ void __launch_bounds__(512, sizeof(R) == 8 ? 1 : 2)
    reduce_kernel(const __grid_constant__ View<Recipe> view, Dtype dtype, int first_page,
                  int page_count, int pages, bool tiny, bool alone) {
  using namespace reduction;
  using Bits = decltype(magnitude(R()));
  __shared__ BlockSums<Bits> sums;
  allow_kernel_after();
  const int begin = int(blockIdx.x) * pages, first = first_page + begin;
  const int mine = page_count - begin < pages ? page_count - begin : pages;
  if constexpr (sizeof(R) == 8) {
    measure_pages<Recipe, double>(view, first, mine, tiny, sums);
  } else if (dtype == Dtype::f32) {
    measure_pages<Recipe, float>(view, first, mine, tiny, sums);
  } else if (dtype == Dtype::bf16) {
    measure_pages<Recipe, Bf16>(view, first, mine, tiny, sums);
  } else {
    measure_pages<Recipe, F16>(view, first, mine, tiny, sums);
  }
  const int lane = int(threadIdx.x) % kWarp, warp = int(threadIdx.x) / kWarp;
  const int stride = int(blockDim.x) / kWarp;
  __syncthreads();
  for (int p = warp; p < mine; p += stride) {
    const Partial sum = fold_warps(sums.of[p], sums.counts[p]);
    if (lane == 0) view.partials[first + p] = sum;
  }
  if constexpr (Recipe::watched) {
    if (blockIdx.x == 0 && first_page == 0) settle_swept(*view.core);  // most others still work
  }
  __syncthreads();
  __shared__ unsigned turn;
  if (threadIdx.x == 0) turn = arrive(*view.core);
  __syncthreads();
  const unsigned part = turn + unsigned(view.deciders) - unsigned(view.reduce_blocks);
  const bool last = turn + 1 == unsigned(view.reduce_blocks);
  if (last) {
    __threadfence();
    Signals signals = add_pages(view.partials, view.page_count);
    if (threadIdx.x == 0) {
      Recipe::join(signals, view.core->memory);
      view.core->signals[view.parity] = signals;
    }
  }
  if (!alone) {
    if (last && threadIdx.x == 0) view.core->arrived = 0;
  } else if (part < unsigned(view.deciders)) {
    if constexpr (Recipe::recorded) {
      decide_apart(view, part);
    } else {
      decide_together(view, part);
    }
  }
}

}  // namespace agmohd::cuda
