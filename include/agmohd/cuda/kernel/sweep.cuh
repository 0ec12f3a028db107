// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <type_traits>

#include "../../step/reduction.hpp"
#include "../view.hpp"
#include "commit.cuh"
#include "load_store.cuh"
#include "remember.cuh"
#include "sweep_chunk.cuh"
#include "totals_chunk.cuh"

// Phase 3 of a step.
namespace agmohd::cuda {

/// A chunk's part of a snapshot, where the step writes or swaps one.
template <class Chunk, class Recipe>
__device__ void find_kept(const View<Recipe>& view, const ChunkRef& ref, const Chunk& chunk,
                          typename Chunk::Kept& kept) {
  kept.at[0] = nullptr;
  const Core<Recipe>& core = *view.core;
  const int snapshot = core.apply != 0 ? core.verdict.save : core.verdict.swap;
  if (snapshot < 0) return;
  const DeviceTensor<Recipe>& tensor = view.tensors[ref.tensor];
  const auto& from = tensor.snapshots.at[snapshot];
  if (from[0] == nullptr) return;
  if (core.apply == 0 && tensor.per_tensor->snapshots.kept[snapshot].moved == 0) return;
  kept.spoiled = &view.core->spoiled;
  kept.at[0] = static_cast<decltype(chunk.param)>(from[0]) + chunk.first;
  for (int s = 0; s < Recipe::slot_count; ++s) {
    kept.at[1 + s] = from[1 + s] == nullptr
                         ? nullptr
                         : static_cast<typename Chunk::S*>(from[1 + s]) + chunk.first;
  }
}

/// The chunk that comes `back`-th in a sweep of `count` chunks from number `first` on: those of the
/// sample, as they take longest, then the others in the reverse order of the reduce pass, whose end
/// is still in the cache.
template <class Recipe>
__device__ int chunk_number(const View<Recipe>& view, int first, int count, int back, int phase) {
  if constexpr (!Recipe::measures_sweep) {
    return first + count - 1 - back;
  } else {
    const int every = view.sample_every;
    const auto sampled_below = [&](int chunk) {
      return chunk > phase ? (chunk - phase + every - 1) / every : 0;
    };
    const int before = sampled_below(first), sampled = sampled_below(first + count) - before;
    if (back < sampled) return phase + (before + back) * every;
    const int other = first - before + count - 1 - back;  // its number among those
    return other < phase ? other : other + (other - phase) / (every - 1) + 1;
  }
}

/// Whether the first of two sweeps would change nothing: the only slot of a rule is factored.
template <class Recipe>
__device__ bool stores_nothing(const View<Recipe>& view, const ChunkRef& ref) {
  if constexpr (Recipe::factored && Recipe::two_sweeps && !Recipe::measures_sweep &&
                Recipe::slot_count == 1 && !Recipe::keeps_snapshots) {
    return view.tensors[ref.tensor].factors.used();
  }
  return false;
}

/// How a chunk is swept.
template <class Recipe, class E>
using SweptChunk =
    std::conditional_t<Recipe::totals, TotalsChunk<Recipe, E>, SweepChunk<Recipe, E>>;

/// A block a chunk, or where chunks are tiny a warp a chunk, or where they are few several blocks a
/// chunk. Where they are many, kTailParts blocks share each of the `tail` last ones, so that all
/// multiprocessors end at about the same time. Of a recorded step the first block remembers it
/// instead.
template <class Recipe, class Tag, class E>
__global__ void __launch_bounds__(most_sweep_threads<Recipe>, SweptChunk<Recipe, E>::kBlocks)
    sweep_kernel(const __grid_constant__ View<Recipe> view, int first_chunk, int chunk_count,
                 int tail, bool tiny) {
  using R = Compute<E>;
  using K = typename Recipe::template Coefficients<R>;
  using Chunk = SweptChunk<Recipe, E>;
  constexpr int kWarp = reduction::kWarp;
  int block = int(blockIdx.x);
  if constexpr (Recipe::recorded) {
    if (first_chunk == 0) {
      if (block == 0) {
        if (blockIdx.y != 0) return;
        wait_for_kernel_before();
        remember(view);
        return;
      }
      block -= 1;
    }
  }
  int phase = 0;
  if constexpr (Recipe::measures_sweep) {
    if (view.sample_every > 1) {  // the order of chunks depends on how many steps were applied
      wait_for_kernel_before();
      phase = view.core->phase;
    }
  }
  const int warp = tiny ? int(threadIdx.x) / kWarp : 0;
  int back = tiny ? block * (int(blockDim.x) / kWarp) + warp : block;
  int part = int(blockIdx.y), parts = int(gridDim.y);  // of the chunk
  if (const int in_tail = block - (chunk_count - tail); tail > 0 && in_tail >= 0) {
    back = chunk_count - tail + in_tail / kTailParts;
    part = in_tail % kTailParts, parts = kTailParts;
  }
  const bool idle = back >= chunk_count;
  const int number = chunk_number(view, first_chunk, chunk_count, idle ? 0 : back, phase);
  const ChunkRef ref = view.chunks[number];
  const Chunk chunk(view, ref, idle || stores_nothing(view, ref));
  // Of those who share the chunk.
  const int thread = int(threadIdx.x) + part * int(blockDim.x) - warp * kWarp;
  const int threads = tiny ? kWarp : parts * int(blockDim.x);
  const bool reads = int(threadIdx.x) == warp * kWarp;
  const auto x = chunk.begin(thread);  // under way while the coefficients are
  // Coefficients stay in shared memory: registers are short. It takes no initialiser.
  constexpr int kWarps = most_sweep_threads<Recipe> / kWarp;
  __shared__ alignas(K) unsigned char storage[kWarps * sizeof(K)];
  K* const k = reinterpret_cast<K*>(storage) + warp;
  __shared__ typename Chunk::Kept kept_chunks[Recipe::keeps_snapshots ? kWarps : 1];
  typename Chunk::Kept& kept = kept_chunks[Recipe::keeps_snapshots ? warp : 0];
  if constexpr (Recipe::wants == 0) {
    __shared__ bool apply;  // the same for all tensors
    unsigned turn = 0;
    if (reads) {
      const bool applied = coefficients_ahead(view, ref.tensor, *k);
      if (warp == 0) apply = applied;
    }
    __syncthreads();
    // It has read what it needs.
    if (threadIdx.x == 0) turn = atomicAdd(&view.core->count.arrived, 1U) + 1;
    if (apply && !idle) chunk.sweep(x, thread, threads, *k, kept);
    __syncthreads();
    commit(view, turn == unsigned(view.sweep_blocks));
  } else {
    wait_for_kernel_before();
    if (reads) {
      if constexpr (std::is_same_v<R, double>) {
        *k = view.coefficients64[ref.tensor];
      } else {
        *k = view.coefficients[ref.tensor];
      }
      if constexpr (Recipe::keeps_snapshots) find_kept(view, ref, chunk, kept);
    }
    const bool apply = view.core->apply != 0;
    __syncthreads();
    if (!apply || idle) {
      if constexpr (Recipe::keeps_snapshots) {
        if (!idle && kept.at[0] != nullptr) chunk.swap(thread, threads, kept);
      }
      return;
    }
    if constexpr (Recipe::totals) {
      sweep_totals<Recipe, E>(view, chunk, x, number, phase, tiny, thread, threads, *k, kept);
    } else if constexpr (!Recipe::measures_sweep) {
      chunk.sweep(x, thread, threads, *k, kept);
    } else {
      int guarded = 0;
      if (number % view.sample_every != phase) {
        guarded = chunk.sweep(x, thread, threads, *k, kept);
      } else {
        using Sums = typename Chunk::Sums;
        __shared__ alignas(8) unsigned char sums[kWarps * reduction::kStrips * sizeof(Sums)];
        Sums* const strips = reinterpret_cast<Sums*>(sums) + warp * reduction::kStrips;
        guarded = chunk.measure(x, thread, threads, *k, kept, strips);
        reduction::SweptPartial* const to = swept_of(view, number);
        if (view.strips > 0) {
          chunk.leave(thread, threads, strips, view.strips, to);
        } else {
          if (tiny) {
            __syncwarp();
          } else {
            __syncthreads();
          }
          if (tiny || threadIdx.x < kWarp) {
            const reduction::SweptPartial sum = chunk.fold(strips);
            if (thread == 0) *to = sum;
          }
        }
      }
      if (guarded != 0) atomicAdd(&view.core->guarded, static_cast<unsigned long long>(guarded));
    }
  }
}

}  // namespace agmohd::cuda
