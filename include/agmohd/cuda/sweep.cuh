// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <type_traits>

#include "../core/elements.hpp"
#include "../core/reduction.hpp"
#include "access.cuh"
#include "decide.cuh"
#include "lane.cuh"
#include "table.cuh"

// Phase 3 of a step.
namespace agmohd::cuda {

/// What a thread has of four elements before it works on them: parameter, gradient and the first
/// states, as they lie in memory. Further states, mostly options, are left for later: registers are
/// short.
template <class E, class S, int kSlots>
struct Four {
  Pack<E> param, grad;
  Pack<S> slots[kSlots > 0 ? kSlots : 1];
};

/// A page of a tensor in a sweep.
template <class Recipe, class E>
struct SweepPage {
  static constexpr int kSlots = Recipe::slot_count;
  using R = Compute<E>;
  using S = Stored<typename Recipe::Storage, E>;
  using K = typename Recipe::template Coefficients<R>;
  static constexpr int kAhead = kSlots < 2 ? kSlots : 2;
  using Elements = Four<E, S, kAhead>;
  using States = Pack<S>[kSlots > kAhead ? kSlots - kAhead : 1];  // the further ones

  std::int64_t first;  // element of the tensor
  E* param;
  const E* grad;
  S* slots[kSlots > 0 ? kSlots : 1];  // null: not used
  int count;
  bool vector;

  __device__ SweepPage(const View<Recipe>& view, const PageRef& ref, bool idle) {
    const DeviceTensor<Recipe>& tensor = view.tensors[ref.tensor];
    first = std::int64_t(ref.page) * reduction::kPage;
    const std::int64_t left = idle ? 0 : tensor.numel - first;
    count = int(left < reduction::kPage ? left : reduction::kPage);
    param = static_cast<E*>(tensor.param) + first;
    grad = static_cast<const E*>(view.grads[ref.tensor]) + first;
    vector = aligned(param) && aligned(grad);
#pragma unroll
    for (int s = 0; s < kSlots; ++s) {
      slots[s] = tensor.slots[s] == nullptr ? nullptr : static_cast<S*>(tensor.slots[s]) + first;
      vector = vector && aligned(slots[s]);
    }
  }

  __device__ Elements load(int i) const {
    Elements x{};
    x.param = load_pack(param + i);
    x.grad = load_pack(grad + i);
#pragma unroll
    for (int s = 0; s < kAhead; ++s) {
      if (slots[s] != nullptr) x.slots[s] = load_pack(slots[s] + i);
    }
    return x;
  }

  /// `x` and `further` are the elements i, i + step, ...
  __device__ void update(Elements& x, States& further, int i, int step, const K& k) const {
    using T = strict<R>;
    const auto at = [&](int s, int j) -> S& {
      return s < kAhead ? x.slots[s].x[j] : further[s - kAhead].x[j];
    };
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      typename Recipe::template Slots<T> state;
      for_each_slot<kSlots>(state, [&](int s, T& slot) { slot = {widen(at(s, j))}; });
      const T p = Recipe::sweep(T{widen(x.param.x[j])}, T{widen(x.grad.x[j])}, state, k);
      narrow(p.v, x.param.x[j]);
      for_each_slot<kSlots>(state, [&](int s, T& slot) {
        narrow(Recipe::Storage::rounded(slot.v, k.storage, first + i + j * step, s), at(s, j));
      });
    }
  }

  /// The quads of neighbours from `i` on; `x` holds the first. The next one is under way while one
  /// is worked on.
  __device__ void sweep_quads(Elements x, int i, int stride, const K& k) const {
#pragma unroll 1
    while (i + 4 <= count) {
      asm volatile("" ::: "memory");  // or all of k moves to registers, and others to the stack
      const int next = i + stride;
      Elements ahead{};
      if (next + 4 <= count) ahead = load(next);
      States further{};
#pragma unroll
      for (int s = kAhead; s < kSlots; ++s) {
        if (slots[s] != nullptr) further[s - kAhead] = load_pack(slots[s] + i);
      }
      update(x, further, i, 1, k);
      store_pack(param + i, x.param);
#pragma unroll
      for (int s = 0; s < kSlots; ++s) {
        if (slots[s] == nullptr) continue;
        store_pack(slots[s] + i, s < kAhead ? x.slots[s] : further[s - kAhead]);
      }
      x = ahead;
      i = next;
    }
  }

  /// `left` of the four elements i, i + step, ...
  __device__ void sweep_some(int i, int step, int left, const K& k) const {
    Elements x{};
    States further{};
    x.param = load_some(param + i, step, left);
    x.grad = load_some(grad + i, step, left);
#pragma unroll
    for (int s = 0; s < kSlots; ++s) {
      if (slots[s] == nullptr) continue;
      (s < kAhead ? x.slots[s] : further[s - kAhead]) = load_some(slots[s] + i, step, left);
    }
    update(x, further, i, step, k);
    store_some(param + i, step, left, x.param);
#pragma unroll
    for (int s = 0; s < kSlots; ++s) {
      if (slots[s] == nullptr) continue;
      store_some(slots[s] + i, step, left, s < kAhead ? x.slots[s] : further[s - kAhead]);
    }
  }

  /// The page by `threads` threads, of which this is `thread`; `x` is what begin() returned.
  __device__ Elements begin(int thread) const {
    return vector && 4 * thread + 4 <= count ? load(4 * thread) : Elements{};
  }
  __device__ void sweep(const Elements& x, int thread, int threads, const K& k) const {
    if (vector) {
      sweep_quads(x, 4 * thread, 4 * threads, k);
      const int whole = count / 4 * 4;
      if (thread == 0 && whole < count) sweep_some(whole, 1, count - whole, k);
    } else {  // every 32nd element, so that the accesses of a warp coalesce
      constexpr int kWarp = reduction::kWarp;
#pragma unroll 1
      for (int i = 4 * (thread & ~(kWarp - 1)) + thread % kWarp; i < count; i += 4 * threads)
        sweep_some(i, kWarp, (count - i + kWarp - 1) / kWarp, k);
    }
  }
};

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
  const Verdict verdict = Recipe::judge(core.shared, Signals{}, memory);
  if (verdict.skip) return false;
  k = Recipe::template decide<R>(core.shared, *tensor.group, Signals{}, verdict, memory, record,
                                 tensor.index);
  return true;
}

/// A block a page, or where pages are tiny a warp a page, in the reverse order of the reduce pass,
/// whose end is still in the cache.
template <class Recipe, class Tag, class E>
__global__ void __launch_bounds__(256, sizeof(Compute<E>) == 4 ? 3 : 1)
    sweep_kernel(const View<Recipe> view, int first_page, int page_count, bool tiny) {
  using R = Compute<E>;
  using K = typename Recipe::template Coefficients<R>;
  constexpr int kWarp = reduction::kWarp;
  const int warp = tiny ? int(threadIdx.x) / kWarp : 0;
  const int back = tiny ? int(blockIdx.x) * (int(blockDim.x) / kWarp) + warp : int(blockIdx.x);
  const bool idle = back >= page_count;
  const PageRef ref = view.pages[first_page + (idle ? 0 : page_count - 1 - back)];
  const SweepPage<Recipe, E> page(view, ref, idle);
  const int thread = int(threadIdx.x) - warp * kWarp, threads = tiny ? kWarp : int(blockDim.x);
  const auto x = page.begin(thread);  // under way while the coefficients are
  // Coefficients stay in shared memory: registers are short. It takes no initialiser.
  __shared__ alignas(K) unsigned char storage[(reduction::kLanes / kWarp) * sizeof(K)];
  K* const k = reinterpret_cast<K*>(storage) + warp;
  if constexpr (Recipe::wants == 0) {
    __shared__ bool apply;  // the same for all tensors
    __shared__ unsigned turn;
    if (thread == 0) {
      const bool applied = coefficients_ahead(view, ref.tensor, *k);
      if (warp == 0) apply = applied;
    }
    __syncthreads();
    if (threadIdx.x == 0) turn = atomicAdd(&view.core->arrived, 1U);  // it has read what it needs
    if (apply && !idle) page.sweep(x, thread, threads, *k);
    __syncthreads();
    const unsigned part = turn + unsigned(view.deciders) - unsigned(view.sweep_blocks);
    if (part < unsigned(view.deciders)) commit_together(view, part);
  } else {
    wait_for_kernel_before();
    if (thread == 0) *k = coefficients<R>(view, ref.tensor);
    const bool apply = view.core->apply != 0;
    __syncthreads();
    if (apply && !idle) page.sweep(x, thread, threads, *k);
  }
}

}  // namespace agmohd::cuda
