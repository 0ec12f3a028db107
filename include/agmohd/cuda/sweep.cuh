// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <type_traits>

#include "../core/reduction.hpp"
#include "access.cuh"
#include "commit.cuh"
#include "remember.cuh"
#include "sweep_page.cuh"
#include "table.hpp"

// Phase 3 of a step.
namespace agmohd::cuda {

/// A page's part of a snapshot, where the step writes or swaps one.
template <class Page, class Recipe>
__device__ void find_kept(const View<Recipe>& view, const PageRef& ref, const Page& page,
                          typename Page::Kept& kept) {
  kept.at[0] = nullptr;
  const Core<Recipe>& core = *view.core;
  const int snapshot = core.apply != 0 ? core.verdict.save : core.verdict.swap;
  if (snapshot < 0) return;
  const DeviceTensor<Recipe>& tensor = view.tensors[ref.tensor];
  const auto& from = tensor.snapshots.at[snapshot];
  if (from[0] == nullptr) return;
  if (core.apply == 0 && tensor.record->snapshots.kept[snapshot].moved == 0) return;
  kept.at[0] = static_cast<decltype(page.param)>(from[0]) + page.first;
  for (int s = 0; s < Recipe::slot_count; ++s) {
    kept.at[1 + s] = static_cast<typename Page::S*>(from[1 + s]) + page.first;
  }
}

/// The page that comes `back`-th in a sweep of `count` pages from number `first` on: those of the
/// sample, as they take longest, then the others in the reverse order of the reduce pass, whose end
/// is still in the cache.
template <class Recipe>
__device__ int page_number(const View<Recipe>& view, int first, int count, int back, int phase) {
  if constexpr (!Recipe::watched) {
    return first + count - 1 - back;
  } else {
    const int every = view.sample_every;
    const auto sampled_below = [&](int page) {
      return page > phase ? (page - phase + every - 1) / every : 0;
    };
    const int before = sampled_below(first), sampled = sampled_below(first + count) - before;
    if (back < sampled) return phase + (before + back) * every;
    const int other = first - before + count - 1 - back;  // its number among those
    return other < phase ? other : other + (other - phase) / (every - 1) + 1;
  }
}

/// A block a page, or where pages are tiny a warp a page, or where they are few several blocks a
/// page. Of a recorded step the first block remembers it instead.
template <class Recipe, class Tag, class E>
__global__ void __launch_bounds__(most_sweep_threads<Recipe>, SweepPage<Recipe, E>::kBlocks)
    sweep_kernel(const __grid_constant__ View<Recipe> view, int first_page, int page_count,
                 bool tiny) {
  using R = Compute<E>;
  using K = typename Recipe::template Coefficients<R>;
  using Page = SweepPage<Recipe, E>;
  constexpr int kWarp = reduction::kWarp;
  int block = int(blockIdx.x);
  if constexpr (Recipe::recorded) {
    if (first_page == 0) {
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
  if constexpr (Recipe::watched) {
    if (view.sample_every > 1) {  // the order of pages depends on how many steps were applied
      wait_for_kernel_before();
      phase = view.core->phase;
    }
  }
  const int warp = tiny ? int(threadIdx.x) / kWarp : 0;
  const int back = tiny ? block * (int(blockDim.x) / kWarp) + warp : block;
  const bool idle = back >= page_count;
  const int number = page_number(view, first_page, page_count, idle ? 0 : back, phase);
  const PageRef ref = view.pages[number];
  const Page page(view, ref, idle);
  // Of those who share the page.
  const int thread = int(threadIdx.x + blockIdx.y * blockDim.x) - warp * kWarp;
  const int threads = tiny ? kWarp : int(blockDim.x * gridDim.y);
  const bool reads = int(threadIdx.x) == warp * kWarp;
  const auto x = page.begin(thread);  // under way while the coefficients are
  // Coefficients stay in shared memory: registers are short. It takes no initialiser.
  constexpr int kWarps = most_sweep_threads<Recipe> / kWarp;
  __shared__ alignas(K) unsigned char storage[kWarps * sizeof(K)];
  K* const k = reinterpret_cast<K*>(storage) + warp;
  __shared__ typename Page::Kept kept_pages[Recipe::heals ? kWarps : 1];
  typename Page::Kept& kept = kept_pages[Recipe::heals ? warp : 0];
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
    if (apply && !idle) page.sweep(x, thread, threads, *k, kept);
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
      if constexpr (Recipe::heals) find_kept(view, ref, page, kept);
    }
    const bool apply = view.core->apply != 0;
    __syncthreads();
    if (!apply || idle) {
      if constexpr (Recipe::heals) {
        if (!idle && kept.at[0] != nullptr) page.swap(thread, threads, kept);
      }
      return;
    }
    if constexpr (!Recipe::watched) {
      page.sweep(x, thread, threads, *k, kept);
    } else {
      int guarded = 0;
      if (number % view.sample_every != phase) {
        guarded = page.sweep(x, thread, threads, *k, kept);
      } else {
        using Sums = typename Page::Sums;
        __shared__ alignas(8) unsigned char sums[kWarps * reduction::kPieces * sizeof(Sums)];
        Sums* const pieces = reinterpret_cast<Sums*>(sums) + warp * reduction::kPieces;
        guarded = page.measure(x, thread, threads, *k, kept, pieces);
        reduction::SweptPartial* const to = swept_of(view, number);
        if (view.pieces > 0) {
          page.leave(thread, threads, pieces, view.pieces, to);
        } else {
          if (tiny) {
            __syncwarp();
          } else {
            __syncthreads();
          }
          if (tiny || threadIdx.x < kWarp) {
            const reduction::SweptPartial sum = page.fold(pieces);
            if (thread == 0) *to = sum;
          }
        }
      }
      if (guarded != 0) atomicAdd(&view.core->guarded, static_cast<unsigned long long>(guarded));
    }
  }
}

}  // namespace agmohd::cuda
