// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "../../step/reduction.hpp"
#include "../view.hpp"
#include "number.cuh"

// What was measured, added in the order of step/reduction.hpp.
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

/// The butterfly of step/reduction.hpp within a warp, from distance `d` on.
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

__device__ inline double warp_sum(double x, int d) {
#pragma unroll
  for (; d > 0; d /= 2) x = __dadd_rn(x, __shfl_xor_sync(0xffffffffU, x, d));
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

__device__ inline void store_partial(const Partials& to, int chunk, const reduction::Partial& x) {
  to.norm2[chunk] = x.norm2;
  to.max_abs[chunk] = x.max_abs;
  to.nonfinite[chunk] = x.nonfinite;
}
/// What another block wrote in this kernel. Volatile keeps the loads of a batch together.
__device__ inline double load_fresh(const double* from) {
  double x;
  asm volatile("ld.global.cg.f64 %0, [%1];" : "=d"(x) : "l"(from));
  return x;
}

/// Adds the chunks `begin`, `begin` + step, ... below `end` to x, x being added to in turn.
template <int kOwn>
__device__ void add_strided(const Partials& from, int begin, int end, int step,
                            Measured<std::uint64_t> (&x)[kOwn]) {
  constexpr int kBatch = 8;  // loads in flight
  static_assert(kBatch % kOwn == 0);
  std::uint64_t most = 0;
  for (int at = begin; at < end; at += kBatch * step) {
    double norm2[kBatch], max_abs[kBatch];
#pragma unroll
    for (int j = 0; j < kBatch; ++j) {
      const int chunk = at + j * step < end ? at + j * step : at;
      norm2[j] = load_fresh(from.norm2 + chunk);
      max_abs[j] = load_fresh(from.max_abs + chunk);
    }
#pragma unroll
    for (int j = 0; j < kBatch; ++j) {  // without a branch, or loads and additions take turns
      const std::uint64_t m = magnitude(max_abs[j]);
      const double next = at + j * step < end ? norm2[j] : 0;
      x[j % kOwn].norm2 = __dadd_rn(x[j % kOwn].norm2, next);
      most = m > most ? m : most;
    }
  }
  x[0].most = most;
  if (most < 0x7ff0000000000000ULL) return;  // all is finite
  for (int at = begin; at < end; at += step) {
    x[0].nonfinite += __ldcg(reinterpret_cast<const long long*>(from.nonfinite + at));
  }
}

/// What a thread adds of the chunks: lanes threadIdx.x, threadIdx.x + blockDim.x, ..., of which it
/// has kOwn.
template <int kOwn>
__device__ void add_lanes(const Partials& partials, int first, int chunks,
                          Measured<std::uint64_t>* warps) {
  using namespace reduction;
  const int threads = int(blockDim.x), thread = int(threadIdx.x);
  Measured<std::uint64_t> x[kOwn] = {};
  add_strided(partials, first + thread, first + chunks, threads, x);
#pragma unroll
  for (int own = 0; own < kOwn; ++own) {
    const auto sum = warp_sum(x[own], kWarp / 2);
    if (thread % kWarp == 0) warps[(thread + own * threads) / kWarp] = sum;
  }
}

/// Chunks together that are dealt to 512 lanes, by a whole block; in its first thread.
template <class Recipe>
__device__ __noinline__ reduction::Partial add_chunks(const View<Recipe>& view, int first,
                                                      int chunks) {
  using namespace reduction;
  __shared__ Measured<std::uint64_t> warps[kLanes / kWarp];
  if (blockDim.x == kLanes) {
    add_lanes<1>(view.partials, first, chunks, warps);
  } else if (blockDim.x == kLanes / 2) {
    add_lanes<2>(view.partials, first, chunks, warps);
  } else {
    add_lanes<4>(view.partials, first, chunks, warps);
  }
  __syncthreads();
  Partial sum{};
  if (threadIdx.x < kWarp) sum = fold_warps(warps, kLanes / kWarp);
  return sum;
}

/// Numbers that are dealt to 512 lanes, by a whole block; in its first thread.
__device__ inline double add_by_block(const double* from, int count) {
  using namespace reduction;
  constexpr int kWarps = kLanes / kWarp;
  __shared__ double warps[kWarps];
  for (int lane = int(threadIdx.x); lane < kLanes; lane += int(blockDim.x)) {
    double sum = 0;
    for (int i = lane; i < count; i += kLanes) sum = __dadd_rn(sum, __ldcg(from + i));
    sum = warp_sum(sum, kWarp / 2);
    if (lane % kWarp == 0) warps[lane / kWarp] = sum;
  }
  __syncthreads();
  if (threadIdx.x >= kWarp) return 0;
  return warp_sum(threadIdx.x < kWarps ? warps[threadIdx.x] : 0.0, kWarps / 2);
}

/// What the warps of dealt lanes added, `own` being that of the warp with this lane's number; in
/// every lane.
__device__ inline double fold_dealt(double own) {
  constexpr int kWarps = reduction::kLanes / reduction::kWarp;
  return __shfl_sync(0xffffffffU, warp_sum(own, kWarps / 2), 0);
}

/// `count` numbers, in the order of combine_tensor(), by a whole warp; in every lane. Where they
/// are dealt to 512 lanes, the loads of eight warps of these are under way together.
__device__ inline double add_numbers(const double* from, int count) {
  using namespace reduction;
  constexpr int kAtOnce = 8;
  const int lane = int(threadIdx.x) % kWarp;
  if (count <= int(kManyChunks)) {
    double sum = 0;
    for (int i = lane; i < count; i += kWarp) sum = __dadd_rn(sum, __ldcg(from + i));
    return warp_sum(sum, kWarp / 2);
  }
  double own = 0;
#pragma unroll 1
  for (int first = 0; first < kLanes / kWarp; first += kAtOnce) {
    double sums[kAtOnce] = {};
#pragma unroll 1
    for (int at = first * kWarp + lane; at < count; at += kLanes) {
      double x[kAtOnce];
#pragma unroll
      for (int w = 0; w < kAtOnce; ++w) {
        x[w] = at + w * kWarp < count ? __ldcg(from + at + w * kWarp) : 0;
      }
#pragma unroll
      for (int w = 0; w < kAtOnce; ++w) sums[w] = __dadd_rn(sums[w], x[w]);
    }
#pragma unroll
    for (int w = 0; w < kAtOnce; ++w) {
      const double sum = warp_sum(sums[w], kWarp / 2);
      if (lane == first + w) own = sum;
    }
  }
  return fold_dealt(own);
}

/// The chunks of a tensor, from `first` on, in the same order; of many, one warp of the 512 lanes
/// comes after the other. A block's first tensors of this kind have add_chunks().
template <class Recipe>
__device__ TensorSignals add_tensor(const View<Recipe>& view, int first, int chunks) {
  using namespace reduction;
  const int lane = int(threadIdx.x) % kWarp, lanes = tensor_lanes(chunks);
  TensorSignals s;
  std::uint64_t most = 0;
  double norm2 = 0;
#pragma unroll 1
  for (int warp = 0; warp < lanes / kWarp; ++warp) {
    Measured<std::uint64_t> x[1] = {};
    add_strided(view.partials, first + warp * kWarp + lane, first + chunks, lanes, x);
    x[0] = warp_sum(x[0], kWarp / 2);
    if (lane == warp) norm2 = x[0].norm2;
    most = x[0].most > most ? x[0].most : most;
    s.nonfinite += x[0].nonfinite;
  }
  s.norm2 = fold_dealt(norm2);
  s.max_abs = magnitude_value(most);
  if constexpr (Recipe::sums) s.summed = add_numbers(view.summed + first, chunks);
  return s;
}

/// The number of the pass's tensors with elements whose squared norm is below `bits`, by a whole
/// block.
template <class Recipe>
__device__ int norms_below(const View<Recipe>& view, std::uint64_t bits) {
  int sum = 0;
  for (int first = 0; first < view.tensor_count; first += int(blockDim.x)) {
    const int t = first + int(threadIdx.x);
    sum += __syncthreads_count(t < view.tensor_count &&
                               std::uint64_t(__double_as_longlong(view.tensor_norms[t])) < bits);
  }
  return sum;
}
/// The one with so many below it, by bisection of its bits.
template <class Recipe>
__device__ double norm_at(const View<Recipe>& view, int rank) {
  std::uint64_t found = 0;
#pragma unroll 1
  for (int bit = 62; bit >= 0; --bit) {
    const std::uint64_t tried = found | std::uint64_t(1) << bit;
    if (norms_below(view, tried) <= rank) found = tried;
  }
  return __longlong_as_double(static_cast<long long>(found));
}
/// What is made of the norms of all tensors.
struct Median {
  double share = 0;
  int nonzero = 0;
};
/// That, by a whole block; the share in its first thread, which has the squared norm of all.
template <class Recipe>
__device__ __noinline__ Median measure_median(const View<Recipe>& view, double norm2) {
  constexpr int kWarp = reduction::kWarp;
  const int warps = int(blockDim.x) / kWarp;
  for (int t = int(threadIdx.x) / kWarp; t < view.tensor_count; t += warps) {
    const int first = view.tensors[t].first_chunk;
    const int chunks = int(reduction::chunks(view.tensors[t].numel));
    const double sum = add_numbers(view.partials.norm2 + first, chunks);
    // Those of empty ones are above all, with a sign.
    if (threadIdx.x % kWarp == 0) view.tensor_norms[t] = chunks == 0 ? -1.0 : fabs(sum);
  }
  __syncthreads();
  const int count = norms_below(view, std::uint64_t(1) << 63);
  if (count == 0) return {};
  const double lower = norm_at(view, (count - 1) / 2);
  const double upper = count % 2 == 0 ? norm_at(view, count / 2) : lower;
  return {reduction::median_share(lower, upper, norm2), count - norms_below(view, 1)};
}

}  // namespace agmohd::cuda
