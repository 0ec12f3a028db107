// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <type_traits>

#include "../view.hpp"
#include "decide.cuh"

// Phase 2 of a step that measures nothing, at the end of its sweep: the records move on, and the
// coefficients of the next step are left in the table. Nobody waits: a block does it that finds, as
// it ends, that all have read their coefficients. The last to read them finds that, so there is
// one.
namespace agmohd::cuda {

/// A verdict of this step or the next, with the memory that it leaves; in shared memory.
template <class Recipe>
struct Plan {
  typename Recipe::Memory memory;
  Verdict verdict;
};

/// The coefficients of a tensor in a step that measures nothing: those that the step before left,
/// or after a change of options or tables what this block decides by itself, on copies. False: the
/// step is skipped.
template <class Recipe, class K>
__device__ bool coefficients_ahead(const View<Recipe>& view, int t, K& k) {
  const Core<Recipe>& core = *view.core;
  using R = std::remove_cv_t<decltype(k.lr)>;
  if constexpr (std::is_same_v<R, double>) {
    k = view.coefficients64[t];
  } else {
    k = view.coefficients[t];
  }
  if (core.ahead == view.tensors) return core.apply != 0;
  const DeviceTensor<Recipe>& tensor = view.tensors[t];
  typename Recipe::Memory memory = core.memory;
  typename Recipe::PerTensor per_tensor = *tensor.per_tensor;
  Signals none;
  const Verdict verdict = Recipe::judge(core.shared, *view.first_group, none, memory);
  if (verdict.skip) return false;
  k = Recipe::template decide<R>(core.shared, *tensor.group, Signals{}, verdict, memory, per_tensor,
                                 tensor.index);
  return true;
}

/// A tensor's per_tensor moves on, and its next coefficients are made.
template <class Recipe>
__device__ void commit_tensor(const View<Recipe>& view, int t, const Plan<Recipe>& now,
                              const Plan<Recipe>& next) {
  const Core<Recipe>& core = *view.core;
  const DeviceTensor<Recipe>& tensor = view.tensors[t];
  typename Recipe::PerTensor per_tensor = *tensor.per_tensor;
  const auto move_on = [&](auto* coefficients) {
    using R = std::remove_cv_t<decltype(coefficients->lr)>;
    if (!now.verdict.skip) {
      (void)Recipe::template decide<R>(core.shared, *tensor.group, Signals{}, now.verdict,
                                       now.memory, per_tensor, tensor.index);
      *tensor.per_tensor = per_tensor;
    }
    if (next.verdict.skip) return;
    coefficients[t] = Recipe::template decide<R>(
        core.shared, *tensor.group, Signals{}, next.verdict, next.memory, per_tensor, tensor.index);
  };
  if (tensor.dtype == Dtype::f64) {
    move_on(view.coefficients64);
  } else {
    move_on(view.coefficients);
  }
}

/// What the memory leads to, in one thread.
template <class Recipe>
__device__ void make_plans(const View<Recipe>& view, Plan<Recipe>& now, Plan<Recipe>& next) {
  const auto judge = [&](Plan<Recipe>& plan) {
    Signals none;
    plan.verdict = Recipe::judge(view.core->shared, *view.first_group, none, plan.memory);
  };
  now.memory = view.core->memory;
  judge(now);
  next.memory = now.memory;
  if (!now.verdict.skip) next.memory.updates += 1;
  judge(next);
}

/// By a block that has swept its part, after all have read their coefficients, of which it was the
/// `last` or not. Of many tensors it takes as many as it has threads, until none is left.
template <class Recipe>
__device__ void commit(const View<Recipe>& view, bool last) {
  Core<Recipe>& core = *view.core;
  Counters& count = core.count;
  const unsigned blocks = unsigned(view.sweep_blocks);
  const int threads = int(blockDim.x), shares = (view.tensor_count + threads - 1) / threads;
  __shared__ alignas(Plan<Recipe>) unsigned char storage[2 * sizeof(Plan<Recipe>)];
  Plan<Recipe>& now = reinterpret_cast<Plan<Recipe>*>(storage)[0];
  Plan<Recipe>& next = reinterpret_cast<Plan<Recipe>*>(storage)[1];
  __shared__ int share;
  if (threadIdx.x == 0) {
    share = shares;
    if (last || (shares > 1 && load_counter(count.arrived) == blocks)) {
      __threadfence();
      share = shares > 1 ? int(atomicAdd(&count.next, 1U)) : 0;
    }
    if (share < shares) make_plans(view, now, next);
  }
  __syncthreads();
  bool took = false;
  while (share < shares) {
    took = true;
    const int t = share * threads + int(threadIdx.x);
    if (t < view.tensor_count) commit_tensor(view, t, now, next);
    __syncthreads();
    if (threadIdx.x == 0) share = shares > 1 ? int(atomicAdd(&count.next, 1U)) : shares;
    __syncthreads();
  }
  if (threadIdx.x != 0 || (shares == 1 && !last)) return;
  // The last block to leave, which may have taken none, moves the optimizer's memory on.
  if (shares > 1) {
    __threadfence();
    if (atomicAdd(&count.left, 1U) + 1 < blocks) return;
    __threadfence();
    if (!took) make_plans(view, now, next);
  }
  core.memory = now.memory;
  if (!now.verdict.skip) core.memory.updates += 1;
  core.apply = next.verdict.skip ? 0 : 1;
  core.ahead = view.tensors;
  count = {};
}

/// Phase 2 of a step that measures nothing, where it has no element and so no sweep; one block.
template <class Recipe, class Tag>
__global__ void decide_kernel(const __grid_constant__ View<Recipe> view) {
  commit(view, true);
  if (threadIdx.x == 0) view.core->ahead = nullptr;
}

}  // namespace agmohd::cuda
