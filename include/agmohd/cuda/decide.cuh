// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "lane.cuh"
#include "table.cuh"

// Phase 2 of a step: judge once, then a thread a tensor. With thousands of tensors the work is
// shared by the blocks that arrive last: they run anyway, so they may wait for each other as long
// as they are no more than the multiprocessors (each of these has room for one more block).
namespace agmohd::cuda {

/// The turn of a block among `blocks`: how many came before. Call it in one thread, after what the
/// others are to see of this block.
template <class Recipe>
__device__ unsigned arrive(Core<Recipe>& core) {
  __threadfence();
  return atomicAdd(&core.arrived, 1U);
}

template <class Recipe>
__device__ void judge(const View<Recipe>& view, Signals signals) {
  Core<Recipe>& core = *view.core;
  if (view.loss != nullptr) signals.loss = *view.loss;
  core.decided = signals;
  core.verdict = Recipe::judge(core.shared, signals, core.memory);
  core.apply = core.verdict.skip ? 0 : 1;
}

/// The tensors' share of the decision, by block `part` of `parts`, after judge().
template <class Recipe>
__device__ void decide_tensors(const View<Recipe>& view, int part, int parts) {
  const Core<Recipe>& core = *view.core;
  const int stride = parts * int(blockDim.x);
  for (int t = part * int(blockDim.x) + int(threadIdx.x); t < view.tensor_count; t += stride) {
    const DeviceTensor<Recipe>& tensor = view.tensors[t];
    if (tensor.is_double != 0) {
      view.coefficients64[t] = Recipe::template decide<double>(
          core.shared, *tensor.group, core.decided, core.verdict, core.memory, *tensor.record);
    } else {
      view.coefficients[t] = Recipe::template decide<float>(
          core.shared, *tensor.group, core.decided, core.verdict, core.memory, *tensor.record);
    }
  }
}

/// Phase 2 by the last `view.deciders` of all blocks of a launch sequence; `turn` is this block's,
/// of `blocks`. Every thread of those blocks calls it. The very last one calls first() before
/// anything is judged.
template <class Recipe, class First>
__device__ void decide_together(const View<Recipe>& view, unsigned turn, unsigned blocks,
                                const First& first) {
  Core<Recipe>& core = *view.core;
  const unsigned parts = unsigned(view.deciders), part = turn + parts - blocks;
  if (part + 1 == parts) {
    __threadfence();
    const Signals signals = first();
    if (threadIdx.x == 0) {
      judge(view, signals);
      __threadfence();
      *const_cast<volatile unsigned*>(&core.judged) = 1;
    }
  } else if (threadIdx.x == 0) {
    while (*const_cast<volatile unsigned*>(&core.judged) == 0) {
    }
    __threadfence();
  }
  __syncthreads();
  const bool apply = *const_cast<volatile int*>(&core.apply) != 0;
  if (apply) decide_tensors(view, int(part), int(parts));
  __syncthreads();
  if (threadIdx.x != 0) return;
  __threadfence();
  if (atomicAdd(&core.finished, 1U) + 1 < parts) return;
  __threadfence();
  core.arrived = core.judged = core.finished = 0;
  if (apply) core.memory.updates += 1;
}

/// Phase 2 by itself: after the sums of several devices came together, or where no block does it.
template <class Recipe, class Tag>
__global__ void decide_kernel(const View<Recipe> view) {
  if (threadIdx.x == 0) {
    Signals signals;
    for (int i = 0; i < view.board_size; ++i) reduction::accumulate(signals, view.board[i]);
    judge(view, signals);
  }
  __syncthreads();
  Core<Recipe>& core = *view.core;
  if (core.apply == 0) return;
  decide_tensors(view, 0, 1);
  __syncthreads();
  if (threadIdx.x == 0) core.memory.updates += 1;
}

}  // namespace agmohd::cuda
