// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "../../policy/power.hpp"
#include "../../step/reduction.hpp"
#include "../view.hpp"
#include "decide.cuh"
#include "grad_chunk.cuh"
#include "load_store.cuh"
#include "number.cuh"
#include "rows.cuh"
#include "sums.cuh"
#include "totals.cuh"

// Phase 1 of a step. `Tag` is a type of the including unit's own, so that two units never share a
// kernel.
namespace agmohd::cuda {

/// What one lane owns of a chunk.
template <class Recipe, class E>
__device__ auto measure_lane(const GradChunk<Recipe, E>& chunk, int lane) {
  using namespace reduction;
  using R = Compute<E>;
  using T = strict<R>;
  const E* const grad = chunk.grad;
  const int count = chunk.count;
  Measured<decltype(magnitude(R()))> out{};
  T a[4] = {};
  const auto add = [&](int i, int j, R x) {  // element i + j of the chunk
    const T g = chunk.template measured<T>(x, i + j);
    a[j] = a[j] + g * g;
    const auto m = magnitude(g.v);
    out.most = m > out.most ? m : out.most;
  };
  static_assert(kRows == 8);
  if (count == kChunk) {  // loads before their first use, of 128 bytes at most
    const E* const from = grad + 4 * lane;
    if (chunk.vector) {
      constexpr int kAtOnce = sizeof(E) == 8 ? kRows / 2 : kRows;
#pragma unroll 1
      for (int begin = 0; begin < kRows; begin += kAtOnce) {
        Bundle<E, 4> packs[kAtOnce];
#pragma unroll
        for (int row = 0; row < kAtOnce; ++row) packs[row].load(from + (begin + row) * kRow);
#pragma unroll
        for (int row = 0; row < kAtOnce; ++row) {
#pragma unroll
          for (int j = 0; j < 4; ++j)
            add(4 * lane + (begin + row) * kRow, j, packs[row].widened(j));
        }
      }
    } else {
#pragma unroll 1
      for (int half = 0; half < kChunk; half += 4 * kRow) {
        E x[4][4];
#pragma unroll
        for (int row = 0; row < 4; ++row) {
#pragma unroll
          for (int j = 0; j < 4; ++j) x[row][j] = from[half + row * kRow + j];
        }
#pragma unroll
        for (int row = 0; row < 4; ++row) {
#pragma unroll
          for (int j = 0; j < 4; ++j) add(4 * lane + half + row * kRow, j, widen(x[row][j]));
        }
      }
    }
  } else {
    for (int i = 4 * lane; i < count; i += kRow) {
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        if (i + j < count) add(i, j, widen(grad[i + j]));
      }
    }
  }
  out.norm2 = double(((a[0] + a[1]) + (a[2] + a[3])).v);
  if (!extreme(out.most)) return out;
  strict<double> rescued{0};
  for (int row = 4 * lane; row < count; row += kRow) {
    for (int i = row; i < row + 4 && i < count; ++i) {
      const strict<double> g{double(chunk.template measured<T>(widen(grad[i]), i).v)};
      rescued = rescued + g * g;
      if (!((g - g).v == 0)) ++out.nonfinite;
    }
  }
  if (sizeof(R) == 4) out.norm2 = rescued.v;
  return out;
}

/// The same of a recipe that sums powers of magnitudes.
template <class Recipe, class E>
__device__ auto measure_powers(const GradChunk<Recipe, E>& chunk, int lane, std::int64_t power) {
  using T = strict<Compute<E>>;
  Measured<decltype(magnitude(T{}.v))> out{};
  strict<double> sum{0};
  for (int row = 4 * lane; row < chunk.count; row += reduction::kRow) {
    for (int i = row; i < row + 4 && i < chunk.count; ++i) {
      const T g = chunk.template measured<T>(widen(chunk.grad[i]), i);
      const auto m = magnitude(g.v);
      sum = sum + math::power(strict<double>{magnitude_value(m)}, power);
      out.most = m > out.most ? m : out.most;
      if (!((g - g).v == 0)) ++out.nonfinite;
    }
  }
  out.norm2 = sum.v;
  return out;
}

/// What one lane owns of a chunk of the rule's sums.
template <class Recipe, class E>
__device__ double sum_lane(const View<Recipe>& view, const GradChunk<Recipe, E>& chunk, int lane) {
  using R = Compute<E>;
  using T = strict<R>;
  using S = Stored<typename Recipe::Storage, E>;
  constexpr int kSlots = Recipe::slot_count;
  const DeviceTensor<Recipe>& tensor = view.tensors[chunk.tensor];
  const auto k = Recipe::Rule::template summing<R>(tensor.group->rule, tensor.per_tensor->rule);
  const S* slots[kSlots > 0 ? kSlots : 1];
  bool vector = chunk.vector;
  constexpr bool kParam = Recipe::sums_parameter;
  const E* const param = static_cast<const E*>(tensor.param) + chunk.first;
  if constexpr (kParam) vector = vector && Bundle<E, 4>::aligned(param);
#pragma unroll
  for (int s = 0; s < kSlots; ++s) {
    slots[s] =
        tensor.slots[s] == nullptr ? nullptr : static_cast<const S*>(tensor.slots[s]) + chunk.first;
    vector = vector && Bundle<S, 4>::aligned(slots[s]);
  }
  T a[4] = {};
  for (int i = 4 * lane; i < chunk.count; i += reduction::kRow) {
    const int left = chunk.count - i;
    Bundle<E, 4> grad;
    Bundle<S, 4> state[kSlots > 0 ? kSlots : 1] = {};
    const auto load = [&](auto& to, const auto* from) {
      if (vector && left >= 4) {
        to.load(from + i);
      } else {
        to.load_some(from + i, 1, left);
      }
    };
    load(grad, chunk.grad);
    Bundle<E, 4> weights;
    if constexpr (kParam) load(weights, param);
#pragma unroll
    for (int s = 0; s < kSlots; ++s) {
      if (slots[s] != nullptr) load(state[s], slots[s]);
    }
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      if (j >= left) continue;
      typename Recipe::template Slots<T> of;
      for_each_slot<kSlots>(of, [&](int s, T& slot) { slot = T{state[s].widened(j)}; });
      const T g = chunk.template measured<T>(grad.widened(j), i + j);
      if constexpr (kParam) {
        a[j] = a[j] + Recipe::Rule::summed(T{weights.widened(j)}, g, of, k);
      } else {
        a[j] = a[j] + Recipe::Rule::summed(g, of, k);
      }
    }
  }
  return double(((a[0] + a[1]) + (a[2] + a[3])).v);
}

/// The logical warps of a block's chunks.
template <class Recipe, class Bits>
struct BlockSums {
  static constexpr int kWarps = reduction::kLanes / reduction::kWarp;
  Measured<Bits> of[kMostChunks][kWarps];
  double summed[Recipe::sums ? kMostChunks : 1][kWarps];  // of the rule
  int counts[kMostChunks];  // of warps that have elements; others would add zero
};

/// The chunks of a block, of elements E, each by `warps` of its warps, which go on to further
/// chunks at their own pace.
template <class Recipe, class E, class Bits>
__device__ void measure_chunks(const View<Recipe>& view, int first, int chunks, int warps,
                               BlockSums<Recipe, Bits>& sums) {
  using namespace reduction;
  const int lane = int(threadIdx.x) % kWarp, warp = int(threadIdx.x) / kWarp;
  const int teams = int(blockDim.x) / kWarp / warps, mate = warp % warps;
  using Prefix = typename GradChunk<Recipe, E>::Prefix;
  Prefix* prefixes = nullptr;
  if constexpr (Recipe::prefixed) {  // by one thread for all: they may cost as much as many
                                     // elements
    __shared__ alignas(8) unsigned char storage[kMostChunks * sizeof(Prefix)];
    prefixes = reinterpret_cast<Prefix*>(storage);
    if (const int p = int(threadIdx.x); p < chunks) {
      const DeviceTensor<Recipe>& tensor = view.tensors[view.chunks[first + p].tensor];
      prefixes[p] = Recipe::template prefix<Compute<E>>(
          view.core->shared, Recipe::draw(view.core->memory.updates, tensor.index, *tensor.group));
    }
    __syncthreads();
  }
  for (int p = warp / warps; p < chunks; p += teams) {
    const GradChunk<Recipe, E> chunk(view, view.chunks[first + p],
                                     prefixes + (Recipe::prefixed ? p : 0));
    const int active = chunk.warps();
    for (int w = mate; w < active; w += warps) {
      const auto own = [&] {
        if constexpr (Recipe::powers) {
          return measure_powers(chunk, w * kWarp + lane, Recipe::power(view.core->shared));
        } else {
          return measure_lane(chunk, w * kWarp + lane);
        }
      }();
      const auto x = warp_sum(own, kWarp / 2);
      if (lane == 0) sums.of[p][w] = x;
      if constexpr (Recipe::sums) {
        const double y = warp_sum(sum_lane(view, chunk, w * kWarp + lane), kWarp / 2);
        if (lane == 0) sums.summed[p][w] = y;
      }
    }
    if (lane == 0 && mate == 0) sums.counts[p] = active;
  }
}

/// The same of float64, as a call: it needs registers that the pass over others should have.
template <class Recipe>
__device__ __noinline__ void measure_double(const View<Recipe>& view, int first, int chunks,
                                            int warps, BlockSums<Recipe, std::uint64_t>& sums) {
  measure_chunks<Recipe, double>(view, first, chunks, warps, sums);
}

/// The chunks that were measured go to the table.
template <class Recipe, class Bits>
__device__ void fold_chunks(const View<Recipe>& view, int first, int chunks,
                            const BlockSums<Recipe, Bits>& sums) {
  using namespace reduction;
  const int lane = int(threadIdx.x) % kWarp;
  for (int p = int(threadIdx.x) / kWarp; p < chunks; p += int(blockDim.x) / kWarp) {
    const Partial sum = fold_warps(sums.of[p], sums.counts[p]);
    if (lane == 0) store_partial(view.partials, first + p, sum);
    if constexpr (Recipe::sums) {
      const double y = warp_sum(lane < sums.counts[p] ? sums.summed[p][lane] : 0.0, kWarp / 2);
      if (lane == 0) view.summed[first + p] = y;
    }
  }
}

/// A block measures `chunks` chunks, each by `warps` warps. Where the sweep leaves sums, the first
/// one adds those of the last sweep instead. Some of the last launch of the step add the chunks
/// and, if `alone`, decide. One kernel for all dtypes: the decision is large, and would be compiled
/// once for each. Without chunks it decides on what came together of several devices, or on
/// nothing.
template <class Recipe, class Tag>
__global__ void __launch_bounds__(512, 2)
    reduce_kernel(const __grid_constant__ View<Recipe> view, Dtype dtype, int first_chunk,
                  int chunk_count, int chunks, int warps, bool alone) {
  using Sums32 = BlockSums<Recipe, std::uint32_t>;
  using Sums64 = BlockSums<Recipe, std::uint64_t>;
  __shared__ alignas(8) unsigned char storage[sizeof(Sums64)];
  Sums32& sums = *reinterpret_cast<Sums32*>(storage);
  Sums64& sums64 = *reinterpret_cast<Sums64*>(storage);
  allow_kernel_after();
  if (view.deciders > 1 && threadIdx.x == 0) atomicAdd(&view.core->count.started, 1U);
  int block = int(blockIdx.x);
  if constexpr (Recipe::settles) {
    if (first_chunk == 0) {
      if constexpr (Recipe::measures_sweep) {
        if (block == 0) settle_swept(*view.core);
      }
      if constexpr (Recipe::totals) {
        if (block == 0) settle_totals(*view.core);
      }
      block -= 1;
    }
  }
  const int begin = block * chunks, first = first_chunk + begin;
  const int left = begin < 0 ? 0 : chunk_count - begin, mine = left < chunks ? left : chunks;
  if (dtype == Dtype::f32) {
    measure_chunks<Recipe, float>(view, first, mine, warps, sums);
  } else if (dtype == Dtype::bf16) {
    measure_chunks<Recipe, Bf16>(view, first, mine, warps, sums);
  } else if (dtype == Dtype::f16) {
    measure_chunks<Recipe, F16>(view, first, mine, warps, sums);
  } else {
    measure_double(view, first, mine, warps, sums64);
  }
  __syncthreads();
  if (dtype == Dtype::f64) {
    fold_chunks(view, first, mine, sums64);
  } else {
    fold_chunks(view, first, mine, sums);
  }
  __syncthreads();
  __shared__ Duty duty;
  if (threadIdx.x == 0) duty = arrive(view, alone ? unsigned(view.deciders) : 1U);
  __syncthreads();
  if (duty == Duty::none) return;
  if constexpr (Recipe::recorded || Recipe::totals) {
    decide_apart(view, duty == Duty::judge, alone);
  } else {
    decide(view, duty == Duty::judge, alone);
  }
}

}  // namespace agmohd::cuda
