// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <type_traits>

#include "../view.hpp"
#include "number.cuh"
#include "share.cuh"
#include "stage.cuh"
#include "sums.cuh"
#include "totals.cuh"

// Phase 2 of a step: one thread judges, then a lane a tensor decides. The block of the reduce pass
// that ends last judges. Of many tensors others help it, which wait for the verdict: blocks that
// end after all have started, so that nobody waits for one that needs the place of those that wait.
namespace agmohd::cuda {

__device__ inline unsigned load_counter(const unsigned& counter) {
  return *static_cast<const volatile unsigned*>(&counter);
}

/// Waits until a counter has a value, and for what was done before; all threads of a block.
__device__ inline void await(const unsigned& counter, unsigned value) {
  if (threadIdx.x == 0) {
    while (load_counter(counter) != value) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 700
      __nanosleep(20);
#endif
    }
    __threadfence();
  }
  __syncthreads();
}

/// What a block does at the end of its part of the pass.
enum class Duty { none, help, judge };

/// That, in one thread, after what others are to see of it. One block judges, and up to `most` - 1
/// help. A block joins before it arrives: when the last arrives, it is known who helps.
template <class Recipe>
__device__ Duty arrive(const View<Recipe>& view, unsigned most) {
  Counters& count = view.core->count;
  const unsigned blocks = unsigned(view.reduce_blocks);
  bool joins = false;
  if (most > 1 && load_counter(count.started) == blocks) {
    joins = atomicAdd(&count.joined, 1U) + 1 < most;
  }
  __threadfence();
  if (atomicAdd(&count.arrived, 1U) + 1 < blocks) return joins ? Duty::help : Duty::none;
  __threadfence();
  count.deciders = min(load_counter(count.joined), most - 1) + (joins ? 0U : 1U);
  return Duty::judge;
}

template <class Recipe>
__device__ double read_loss(const View<Recipe>& view) {
  switch (view.loss_dtype) {
    case Dtype::f32:
      return *static_cast<const float*>(view.loss);
    case Dtype::bf16:
      return widen(*static_cast<const Bf16*>(view.loss));
    case Dtype::f16:
      return widen(*static_cast<const F16*>(view.loss));
    default:
      return *static_cast<const double*>(view.loss);
  }
}

/// The signals of this device, or of all; in one thread, which needs the stage's memory.
template <class Recipe>
__device__ typename Recipe::AllSignals join_signals(const View<Recipe>& view,
                                                    const reduction::Partial& sum,
                                                    const Median& median) {
  typename Recipe::AllSignals signals;
  if (view.board_size == 0) {
    signals.norm2 = sum.norm2;
    signals.max_abs = sum.max_abs;
    signals.nonfinite = sum.nonfinite;
    signals.median = median.share;
    signals.nonzero_tensors = median.nonzero;
    Recipe::join(signals, stage<Recipe>().memory);
    view.core->signals = signals;  // which other devices read
  }
  for (int i = 0; i < view.board_size; ++i) reduction::accumulate(signals, view.board[i]);
  return signals;
}

/// Judges what the stage has, in one thread.
template <class Recipe>
__device__ void judge_stage() {
  Stage<Recipe>& s = stage<Recipe>();
  s.verdict = Recipe::judge(s.shared, s.first, s.signals, s.memory);
}
/// The same as a call, for recipes that rehearse.
template <class Recipe>
__device__ __noinline__ void judge_stage_apart() {
  judge_stage<Recipe>();
}

/// Judges on the stage, or takes what another device judged, in one thread. Of several devices, the
/// others read the judgement.
template <class Recipe>
__device__ void judge(const View<Recipe>& view, const typename Recipe::AllSignals& signals) {
  Stage<Recipe>& s = stage<Recipe>();
  typename Recipe::Judgement& judgement = view.core->judgement;
  if (view.board_size < 0) {
    s.signals = judgement.signals;
    s.verdict = judgement.verdict;
    Recipe::take(judgement.memory, s.memory, s.verdict.swap >= 0);
    return;
  }
  s.signals = signals;
  if constexpr (rehearses<Recipe>) {
    judge_stage_apart<Recipe>();
  } else {
    judge_stage<Recipe>();
  }
  if (view.board_size == 0) return;
  judgement.signals = s.signals;
  judgement.verdict = s.verdict;
  judgement.memory = s.memory;
}

/// What was judged, to the memory that all blocks see; by a whole block.
template <class Recipe>
__device__ void publish(const View<Recipe>& view) {
  const Stage<Recipe>& s = stage<Recipe>();
  Core<Recipe>& core = *view.core;
  const int warp = int(threadIdx.x) / reduction::kWarp;
  const int warps = int(blockDim.x) / reduction::kWarp;
  if (warp == 0) WarpCopy<typename Recipe::Memory>::put(core.memory, s.memory);
  if (warp == 1 % warps) WarpCopy<typename Recipe::AllSignals>::put(core.decided, s.signals);
  if (warp == 2 % warps) WarpCopy<Verdict>::put(core.verdict, s.verdict);
  if (threadIdx.x == 0) {
    core.apply = s.verdict.skip ? 0 : 1;
    if constexpr (Recipe::totals) {
      if (!s.verdict.skip) leave_totals(view);
      if (s.verdict.swap >= 0) core.totals = nullptr;  // a snapshot's are in the memory
    }
    if constexpr (Recipe::measures_sweep) {
      core.phase = int(reduction::sample_phase(s.memory.updates, view.sample_every));
    }
  }
}

/// Whether the step does something to tensors.
template <class Recipe>
__device__ bool moves(const Verdict& verdict) {
  return !verdict.skip || (Recipe::keeps_snapshots && verdict.swap >= 0);
}

/// The number of a share that nobody has taken yet, for a whole warp.
__device__ inline int take(unsigned& next) {
  unsigned taken = 0;
  if (threadIdx.x % reduction::kWarp == 0) taken = atomicAdd(&next, 1U);
  return int(__shfl_sync(0xffffffffU, taken, 0));
}

/// Phase 2 by a block that has a duty. The judge adds all chunks, or what came together of several
/// devices, and, if `alone`, judges. All of them take shares of the tensors until none is left; the
/// first of a warp begins before the verdict.
template <class Recipe>
__device__ void decide(const View<Recipe>& view, bool judges, bool alone) {
  Core<Recipe>& core = *view.core;
  Counters& count = core.count;
  Stage<Recipe>& s = stage<Recipe>();
  const bool several = alone && view.deciders > 1;
  const int shares = alone ? (view.tensor_count + view.share - 1) / view.share : 0;
  __shared__ unsigned own_next;
  if (threadIdx.x == 0) own_next = 0;
  unsigned& next = several ? count.next : own_next;
  // Code that did not run for a step comes from the device's memory, which takes longer than to run
  // it. So some of the blocks that wait for the judge judge the last step again meanwhile, and some
  // decide about their tensors. Nothing of it is kept, so it does not matter if the judge publishes
  // while they read the last step's memory.
  const int role = int(blockIdx.x) % 4;
  double loss = 0;
  if (judges && threadIdx.x == 0 && view.loss != nullptr) loss = read_loss(view);
  load_stage(view, false);
  reduction::Partial sum{};
  Median median;
  if (judges) {
    if (threadIdx.x < reduction::kWarp) {
      WarpCopy<typename Recipe::Memory>(core.memory).to(s.memory);
    }
    if constexpr (Recipe::measures_gradients) {
      if (view.board_size == 0) {
        sum = add_chunks(view, 0, view.chunk_count);
        if constexpr (Recipe::median_norm) median = measure_median(view, sum.norm2);
      }
    }
    __syncthreads();
  } else {
    await(count.arrived, unsigned(view.reduce_blocks));  // for the sums of its first tensors
    if constexpr (rehearses<Recipe>) {
      load_stage(view, true);
      __syncthreads();
      if (role == 0 && threadIdx.x == blockDim.x - 1) judge_stage_apart<Recipe>();
    }
  }
  bool waits = judges && threadIdx.x < reduction::kWarp;  // the warp that judges begins none before
  int index = waits ? shares : take(next);
#pragma unroll 1
  for (bool judged = false;; judged = true) {
    Share<Recipe> share(view, index, !judged);
    if (!judged) {
      if (!judges) {
        if constexpr (rehearses<Recipe>) {
          if (role == 1 && moves<Recipe>(s.verdict)) share.rehearse();
        }
        share.add_many();
        await(count.judged, 1);
        load_stage(view, true);
        __syncthreads();
      } else {
        if (threadIdx.x == 0) {
          auto signals = join_signals(view, sum, median);
          if (view.loss != nullptr) signals.loss = loss, signals.has_loss = true;
          if (alone) judge(view, signals);
          if (alone && !s.verdict.skip) {  // the last step's are in the memory
            core.guarded = core.throttled = core.spoiled = 0;
          }
        }
        __syncthreads();
        if (alone) publish(view);
        if (several) {
          __threadfence();
          __syncthreads();
          if (threadIdx.x == 0) *static_cast<volatile unsigned*>(&count.judged) = 1;
        }
        share.add_many();
      }
    }
    if (index < shares) {
      if (!moves<Recipe>(s.verdict)) break;
      share.decide();
    } else if (!waits) {
      break;
    }
    waits = false;
    index = take(next);
  }
  __syncthreads();
  if (threadIdx.x != 0) return;
  if (several) {
    const unsigned deciders = load_counter(count.deciders);  // the last one clears it
    __threadfence();
    if (atomicAdd(&count.finished, 1U) + 1 < deciders) return;
    __threadfence();
  }
  count = {};
  if (alone && !s.verdict.skip) core.memory.updates = s.memory.updates + 1;
}
/// The same as a call: a large decision would take registers from the pass that comes before it.
template <class Recipe>
__device__ __noinline__ void decide_apart(const View<Recipe>& view, bool judges, bool alone) {
  decide(view, judges, alone);
}

}  // namespace agmohd::cuda
