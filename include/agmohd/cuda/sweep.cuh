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

/// What a thread has of four elements: parameter, gradient and state as they lie in memory.
template <class E, class S, int kSlots>
struct Four {
  Pack<E> param, grad;
  Pack<S> slots[kSlots > 0 ? kSlots : 1];
};

/// The elements of a page that this thread works on; `x` holds the first four.
template <class Recipe, class E, class S, int kSlots, class Slots, class Fetch, class K>
__device__ void sweep_page(Four<E, S, kSlots> x, Quad q, int thread, int count, bool vector,
                           E* param, const Slots& slots, const Fetch& fetch, const K& k) {
  using T = strict<Compute<E>>;
  while (true) {
    const Quad now = q;
    thread += int(blockDim.x);
    q = Quad(thread, count, vector);
    Four<E, S, kSlots> next{};
    if (AGX_AHEAD && q.n > 0) next = fetch(q);
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      typename Recipe::template Slots<T> state;
      for_each_slot<kSlots>(state, [&](int s, T& slot) { slot = {widen(x.slots[s].x[j])}; });
      const T p = Recipe::sweep(T{widen(x.param.x[j])}, T{widen(x.grad.x[j])}, state, k);
      narrow(p.v, x.param.x[j]);
      for_each_slot<kSlots>(state, [&](int s, T& slot) { narrow(slot.v, x.slots[s].x[j]); });
    }
    store(param, now, vector, x.param);
#pragma unroll
    for (int s = 0; s < kSlots; ++s) {
      if (slots[s] != nullptr) store(slots[s], now, vector, x.slots[s]);
    }
    if (q.n <= 0) return;
    x = AGX_AHEAD ? next : fetch(q);
  }
}

/// The coefficients of a tensor in a step that measures nothing, where every block decides for
/// itself on copies. False: the step is skipped.
template <class Recipe, class K>
__device__ bool decide_alone(const Core<Recipe>& core, const DeviceTensor<Recipe>& tensor, K& k) {
  typename Recipe::Memory memory = core.memory;
  typename Recipe::PerTensor record = *tensor.record;
  const Verdict verdict = Recipe::judge(core.shared, Signals{}, memory);
  if (verdict.skip) return false;
  k = Recipe::template decide<std::remove_cv_t<decltype(k.lr)>>(core.shared, *tensor.group,
                                                                Signals{}, verdict, memory, record);
  return true;
}

/// A block a page, in the reverse order of the reduce pass, whose end is still in the cache.
template <class Recipe, class Tag, class E>
__global__ void __launch_bounds__(512, sizeof(Compute<E>) == 4 ? AGX_BLOCKS : 1)
    sweep_kernel(const View<Recipe> view, int first_page) {
  using R = Compute<E>;
  using T = strict<R>;
  using S = R;  // of state in memory
  using K = typename Recipe::template Coefficients<R>;
  constexpr int kSlots = Recipe::slot_count;
  const PageRef ref = view.pages[first_page + int(gridDim.x) - 1 - int(blockIdx.x)];
  const DeviceTensor<Recipe>& tensor = view.tensors[ref.tensor];
  const std::int64_t first = std::int64_t(ref.page) * reduction::kPage;
  const int count =
      int(tensor.numel - first < reduction::kPage ? tensor.numel - first : reduction::kPage);
  E* const param = static_cast<E*>(tensor.param) + first;
  const E* const grad = static_cast<const E*>(view.grads[ref.tensor]) + first;
  S* slots[kSlots > 0 ? kSlots : 1] = {};
  bool vector = aligned(param) && aligned(grad);
#pragma unroll
  for (int s = 0; s < kSlots; ++s) {
    if (tensor.slots[s] == nullptr) continue;
    slots[s] = static_cast<S*>(tensor.slots[s]) + first;
    vector = vector && aligned(slots[s]);
  }
  const auto fetch = [&](const Quad& q) {
    Four<E, S, kSlots> x{};
    x.param = load(param, q, vector);
    x.grad = load(grad, q, vector);
#pragma unroll
    for (int s = 0; s < kSlots; ++s) {
      if (slots[s] != nullptr) x.slots[s] = load(slots[s], q, vector);
    }
    return x;
  };

  int thread = int(threadIdx.x);
  Quad q(thread, count, vector);
  Four<E, S, kSlots> x = fetch(q);  // under way while the coefficients are
  K k;
  if constexpr (Recipe::wants == 0) {
    __shared__ alignas(K) unsigned char storage[sizeof(K)];  // it takes no initialiser
    __shared__ bool apply;
    __shared__ unsigned turn;
    if (threadIdx.x == 0) {
      K mine;
      apply = decide_alone(*view.core, tensor, mine);
      if (apply) *reinterpret_cast<K*>(storage) = mine;
      turn = arrive(*view.core);
    }
    __syncthreads();
    if (apply) k = *reinterpret_cast<const K*>(storage);
    const auto commit = [&] {  // the records move on when all blocks have read them
      const unsigned blocks = unsigned(view.page_count);
      if (turn + unsigned(view.deciders) >= blocks)
        decide_together(view, turn, blocks, [] { return Signals{}; });
    };
    if (!apply) return commit();
    sweep_page<Recipe>(x, q, thread, count, vector, param, slots, fetch, k);
    commit();
  } else {
    wait_for_kernel_before();
    if (view.core->apply == 0) return;
    if constexpr (std::is_same_v<R, double>) {
      k = view.coefficients64[ref.tensor];
    } else {
      k = view.coefficients[ref.tensor];
    }
    sweep_page<Recipe>(x, q, thread, count, vector, param, slots, fetch, k);
  }
}

}  // namespace agmohd::cuda
