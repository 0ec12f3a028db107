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

/// A page of a tensor in a sweep. A thread works on a bundle of elements at a time: neighbours, or
/// where an array is misaligned every 32nd element, so that the accesses of a warp coalesce.
template <class Recipe, class E>
struct SweepPage {
  static constexpr int kSlots = Recipe::slot_count;
  static constexpr int kWarp = reduction::kWarp;
  using R = Compute<E>;
  using S = Stored<typename Recipe::Storage, E>;
  using K = typename Recipe::template Coefficients<R>;
  /// Eight where all elements have 2 bytes: accesses of 16 bytes.
  static constexpr int kBundle = sizeof(E) == 2 && (kSlots == 0 || sizeof(S) == 2) ? 8 : 4;
  /// Of a multiprocessor at least, so that their registers suffice without the stack.
  static constexpr int kBlocks = sizeof(R) == 8                           ? 1
                                 : kBundle == 8 && std::is_same_v<E, F16> ? 2
                                                                          : 3;
  /// Further states, mostly options, are not loaded ahead: registers are short.
  static constexpr int kAhead = kSlots < 2 ? kSlots : 2;
  using State = Bundle<S, kBundle>;
  using States = State[kSlots > kAhead ? kSlots - kAhead : 1];
  struct Elements {
    Bundle<E, kBundle> param, grad;
    State slots[kAhead > 0 ? kAhead : 1];
  };

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
    vector = Bundle<E, kBundle>::aligned(param) && Bundle<E, kBundle>::aligned(grad);
#pragma unroll
    for (int s = 0; s < kSlots; ++s) {
      slots[s] = tensor.slots[s] == nullptr ? nullptr : static_cast<S*>(tensor.slots[s]) + first;
      vector = vector && State::aligned(slots[s]);
    }
  }

  /// The bundle at `i` of one array: elements i, i + kStep, ..., as far as the page has them.
  template <int kStep, class T>
  __device__ void load(Bundle<T, kBundle>& to, const T* from, int i) const {
    if (kStep == 1 && i + kBundle <= count) {
      to.load(from + i);
    } else {
      to.load_some(from + i, kStep, (count - i + kStep - 1) / kStep);
    }
  }
  template <int kStep, class T>
  __device__ void store(const Bundle<T, kBundle>& from, T* to, int i) const {
    if (kStep == 1 && i + kBundle <= count) {
      from.store(to + i);
    } else {
      from.store_some(to + i, kStep, (count - i + kStep - 1) / kStep);
    }
  }
  template <int kStep>
  __device__ Elements load(int i) const {
    Elements x{};
    if (i >= count) return x;
    load<kStep>(x.param, param, i);
    load<kStep>(x.grad, grad, i);
#pragma unroll
    for (int s = 0; s < kAhead; ++s) {
      if (slots[s] != nullptr) load<kStep>(x.slots[s], slots[s], i);
    }
    return x;
  }

  /// `x` and `further` are the bundle at `i`.
  template <int kStep>
  __device__ void update(Elements& x, States& further, int i, const K& k) const {
    using T = strict<R>;
    const auto at = [&](int s) -> State& { return s < kAhead ? x.slots[s] : further[s - kAhead]; };
#pragma unroll
    for (int j = 0; j < kBundle; j += 4) {
      R p[4], stored[kSlots > 0 ? kSlots : 1][4];
#pragma unroll
      for (int h = 0; h < 4; ++h) {
        typename Recipe::template Slots<T> state;
        for_each_slot<kSlots>(state, [&](int s, T& slot) { slot = {at(s).widened(j + h)}; });
        p[h] = Recipe::sweep(T{x.param.widened(j + h)}, T{x.grad.widened(j + h)}, state, k).v;
        for_each_slot<kSlots>(state, [&](int s, T& slot) { stored[s][h] = slot.v; });
      }
      if (Recipe::Storage::rounds(k.storage)) {  // one branch for four
#pragma unroll
        for (int h = 0; h < 4; ++h) {
          const std::int64_t element = first | (i + (j + h) * kStep);  // the page's are below kPage
#pragma unroll
          for (int s = 0; s < kSlots; ++s) {
            stored[s][h] = Recipe::Storage::rounded(stored[s][h], k.storage, element, s);
          }
        }
      }
#pragma unroll
      for (int h = 0; h < 4; h += 2) {
        x.param.narrow(j + h, p[h], p[h + 1]);
#pragma unroll
        for (int s = 0; s < kSlots; ++s) at(s).narrow(j + h, stored[s][h], stored[s][h + 1]);
      }
    }
  }

  /// A thread's bundles from `i` on, of which `x` is the first. The next one is under way while
  /// one is worked on.
  template <int kStep>
  __device__ void sweep(Elements x, int i, int stride, const K& k) const {
#pragma unroll 1
    while (i < count) {
      asm volatile("" ::: "memory");  // or all of k moves to registers, and others to the stack
      const int next = i + stride;
      const Elements ahead = load<kStep>(next);
      States further{};
#pragma unroll
      for (int s = kAhead; s < kSlots; ++s) {
        if (slots[s] != nullptr) load<kStep>(further[s - kAhead], slots[s], i);
      }
      update<kStep>(x, further, i, k);
      store<kStep>(x.param, param, i);
#pragma unroll
      for (int s = 0; s < kSlots; ++s) {
        if (slots[s] == nullptr) continue;
        store<kStep>(s < kAhead ? x.slots[s] : further[s - kAhead], slots[s], i);
      }
      x = ahead;
      i = next;
    }
  }

  /// The page by `threads` threads, of which this is `thread`: begin(thread), then sweep() with
  /// what it returned.
  __device__ int start(int thread) const {
    return kBundle * (vector ? thread : thread & ~(kWarp - 1)) + (vector ? 0 : thread % kWarp);
  }
  __device__ Elements begin(int thread) const {
    return vector ? load<1>(start(thread)) : load<kWarp>(start(thread));
  }
  __device__ void sweep(const Elements& x, int thread, int threads, const K& k) const {
    if (vector) {
      sweep<1>(x, start(thread), kBundle * threads, k);
    } else {
      sweep<kWarp>(x, start(thread), kBundle * threads, k);
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
__global__ void __launch_bounds__(256, SweepPage<Recipe, E>::kBlocks)
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
