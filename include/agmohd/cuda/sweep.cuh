// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <type_traits>

#include "../core/reduction.hpp"
#include "access.cuh"
#include "decide.cuh"
#include "sweep_page.cuh"
#include "table.hpp"

// Phase 3 of a step.
namespace agmohd::cuda {

template <class R, class Recipe>
__device__ const auto& coefficients(const View<Recipe>& view, int t) {
  if constexpr (std::is_same_v<R, double>) {
    return view.coefficients64[t];
  } else {
    return view.coefficients[t];
  }
}

/// The coefficients of a tensor in a step that measures nothing: those that the step before left,
/// or after a change of options or tables what this block decides by itself, on copies. False: the
/// step is skipped.
template <class Recipe, class K>
__device__ bool coefficients_ahead(const View<Recipe>& view, int t, K& k) {
  const Core<Recipe>& core = *view.core;
  using R = std::remove_cv_t<decltype(k.lr)>;
  k = coefficients<R>(view, t);
  if (core.ahead == view.tensors) return core.apply != 0;
  const DeviceTensor<Recipe>& tensor = view.tensors[t];
  typename Recipe::Memory memory = core.memory;
  typename Recipe::PerTensor record = *tensor.record;
  Signals none;
  const Verdict verdict = Recipe::judge(core.shared, *view.first_group, none, memory);
  if (verdict.skip) return false;
  k = Recipe::template decide<R>(core.shared, *tensor.group, Signals{}, verdict, memory, record,
                                 tensor.index);
  return true;
}

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
  kept.spoiled = &view.core->spoiled;
  kept.at[0] = static_cast<decltype(page.param)>(from[0]) + page.first;
  for (int s = 0; s < Recipe::slot_count; ++s) {
    kept.at[1 + s] =
        from[1 + s] == nullptr ? nullptr : static_cast<typename Page::S*>(from[1 + s]) + page.first;
  }
}

/// The page that comes `back`-th in a sweep of `count` pages from number `first` on: those that are
/// measured, as they take longest, then the others in the reverse order of the reduce pass, whose
/// end is still in the cache.
template <class Recipe>
__device__ int page_number(const View<Recipe>& view, int first, int count, int back) {
  if constexpr (!Recipe::watched) {
    return first + count - 1 - back;
  } else {
    const int every = view.sample_every;
    const int before = (first + every - 1) / every, until = (first + count + every - 1) / every;
    const int measured = until - before;
    if (back < measured) return (before + back) * every;
    const int other = first - before + count - 1 - back;  // its number among those
    return other + other / (every - 1) + 1;
  }
}

/// A block a page, or where pages are tiny a warp a page. Of a recorded step the first block
/// remembers it instead.
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
        wait_for_kernel_before();
        if (threadIdx.x == 0) remember(view);
        return;
      }
      block -= 1;
    }
  }
  const int warp = tiny ? int(threadIdx.x) / kWarp : 0;
  const int back = tiny ? block * (int(blockDim.x) / kWarp) + warp : block;
  const bool idle = back >= page_count;
  const int number = page_number(view, first_page, page_count, idle ? 0 : back);
  const PageRef ref = view.pages[number];
  const Page page(view, ref, idle);
  const int thread = int(threadIdx.x) - warp * kWarp, threads = tiny ? kWarp : int(blockDim.x);
  const auto x = page.begin(thread);  // under way while the coefficients are
  // Coefficients stay in shared memory: registers are short. It takes no initialiser.
  constexpr int kWarps = most_sweep_threads<Recipe> / kWarp;
  __shared__ alignas(K) unsigned char storage[kWarps * sizeof(K)];
  K* const k = reinterpret_cast<K*>(storage) + warp;
  __shared__ typename Page::Kept kept_pages[Recipe::heals ? kWarps : 1];
  typename Page::Kept& kept = kept_pages[Recipe::heals ? warp : 0];
  if constexpr (Recipe::wants == 0) {
    __shared__ bool apply;  // the same for all tensors
    __shared__ unsigned turn;
    if (thread == 0) {
      const bool applied = coefficients_ahead(view, ref.tensor, *k);
      if (warp == 0) apply = applied;
    }
    __syncthreads();
    if (threadIdx.x == 0) turn = atomicAdd(&view.core->arrived, 1U);  // it has read what it needs
    if (apply && !idle) page.sweep(x, thread, threads, *k, kept);
    __syncthreads();
    const unsigned part = turn + unsigned(view.deciders) - unsigned(view.sweep_blocks);
    if (part < unsigned(view.deciders)) commit_together(view, part);
  } else {
    wait_for_kernel_before();
    if (thread == 0) {
      *k = coefficients<R>(view, ref.tensor);
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
      if (number % view.sample_every != 0) {
        guarded = page.sweep(x, thread, threads, *k, kept);
      } else {
        __shared__ alignas(
            8) unsigned char sums[kWarps * Page::kLogicalWarps * sizeof(typename Page::Sums)];
        auto* const warps =
            reinterpret_cast<typename Page::Sums*>(sums) + warp * Page::kLogicalWarps;
        guarded = page.measure(x, thread, threads, *k, kept, warps);
        if (tiny) {
          __syncwarp();
        } else {
          __syncthreads();
        }
        if (tiny || threadIdx.x < kWarp) {
          const reduction::SweptPartial sum = page.fold(warps);
          if (thread == 0) view.swept[number / view.sample_every] = sum;
        }
      }
      if (guarded != 0) atomicAdd(&view.core->guarded, static_cast<unsigned long long>(guarded));
    }
  }
}

}  // namespace agmohd::cuda
