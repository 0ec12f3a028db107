// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <type_traits>

#include "add.cuh"
#include "lane.cuh"
#include "swept.cuh"
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

/// Asks for all of what a thread will read field by field, waiting for each.
template <class T>
__device__ void prefetch(const T* p) {
  const char* const at = reinterpret_cast<const char*>(p);
#pragma unroll
  for (int i = 0; i < int(sizeof(T)); i += 128) {
    asm volatile("prefetch.global.L1 [%0];" ::"l"(at + i));
  }
}

/// In one thread. On the memory as it lies: a copy of it goes through local memory, and took five
/// times as long as all that is decided.
template <class Recipe>
__device__ void judge(const View<Recipe>& view, Signals signals) {
  Core<Recipe>& core = *view.core;
  prefetch(&core);
  if (view.loss != nullptr) {
    signals.loss = read_loss(view);
    signals.has_loss = true;
  }
  core.verdict = Recipe::judge(core.shared, *view.first_group, signals, core.memory);
  core.decided = signals;
  core.apply = core.verdict.skip ? 0 : 1;
  if (core.apply != 0) core.guarded = 0;  // the last sweep's are in the memory
}

/// What is remembered of a step whose decision is complete. The host gets the record. In one
/// thread, while others sweep: a call, which would take registers from them.
template <class Recipe>
__device__ __noinline__ void remember(const View<Recipe>& view) {
  Core<Recipe>& core = *view.core;
  prefetch(&core);
  if (Recipe::watched && core.apply != 0) leave_swept(view);
  const Record record =
      Recipe::remember(core.shared, *view.first_group, core.decided, core.verdict, core.memory);
  RecordRing::Slot& slot = view.ring->slots[record.step % RecordRing::kSize];
  *const_cast<volatile std::int64_t*>(&slot.written) = 0;
  __threadfence_system();
  slot.record = record;
  __threadfence_system();
  *const_cast<volatile std::int64_t*>(&slot.written) = record.step;
}

/// Whether the step does something to tensors.
template <class Recipe>
__device__ bool moves(const Core<Recipe>& core) {
  return core.apply != 0 || (Recipe::heals && core.verdict.swap >= 0);
}

/// A tensor's share of the decision.
template <class Recipe>
__device__ void decide_tensor(const View<Recipe>& view, int t, const TensorSignals& signals) {
  const Core<Recipe>& core = *view.core;
  const DeviceTensor<Recipe>& tensor = view.tensors[t];
  prefetch(tensor.record);
  bool room = false;  // for snapshots: a table that was captured without them has none
  if constexpr (Recipe::heals) {
    room = tensor.numel == 0 || tensor.snapshots.at[0][0] != nullptr;
    if (core.apply == 0) {
      if (room) Recipe::swap(core.memory, *tensor.record, core.verdict.swap);
      return;
    }
  }
  const auto decide = [&](auto* to) {
    using R = std::remove_cv_t<decltype(to->lr)>;
    to[t] = Recipe::template decide<R>(core.shared, *tensor.group, core.decided, core.verdict,
                                       core.memory, *tensor.record, tensor.index, signals, room);
  };
  if (tensor.is_double != 0) {
    decide(view.coefficients64);
  } else {
    decide(view.coefficients);
  }
}

/// The tensors' share of the decision, by block `part` of `parts`, after judge(). Where sums of
/// each tensor are wanted, a block adds those of many pages, and a warp takes some neighbours:
/// those of one page a lane each, the others together.
template <class Recipe>
__device__ void decide_tensors(const View<Recipe>& view, int part, int parts) {
  if constexpr ((Recipe::wants & kTensors) == 0) {
    const int stride = parts * int(blockDim.x);
    for (int t = part * int(blockDim.x) + int(threadIdx.x); t < view.tensor_count; t += stride) {
      decide_tensor(view, t, TensorSignals{});
    }
  } else {
    constexpr int kWarp = reduction::kWarp;
    for (int m = part; m < view.many_count; m += parts) {
      const int t = view.many[m], first = view.tensors[t].first_page;
      const std::int64_t numel = view.tensors[t].numel;
      const int pages = int(reduction::pages(numel));
      const reduction::Partial sum = add_pages(view, first, pages);
      double summed = 0;
      if constexpr (Recipe::sums) summed = add_summed(view, first, pages);
      if (threadIdx.x == 0) {
        decide_tensor(view, t, {sum.norm2, sum.max_abs, sum.nonfinite, numel, summed});
      }
      __syncthreads();
    }
    const int lane = int(threadIdx.x) % kWarp, warps = parts * int(blockDim.x) / kWarp;
    const int warp = (part * int(blockDim.x) + int(threadIdx.x)) / kWarp;
    const int share = min((view.tensor_count + warps - 1) / warps, kWarp);
    for (int begin = warp * share; begin < view.tensor_count; begin += warps * share) {
      const int t = begin + lane;
      const bool mine = lane < share && t < view.tensor_count;
      const std::int64_t numel = mine ? view.tensors[t].numel : 0;
      const int first = mine ? view.tensors[t].first_page : 0;
      const int pages = int(reduction::pages(numel));
      const bool many = pages > int(reduction::kManyPages), several = pages > 1 && !many;
      TensorSignals signals;
      if (pages == 1) {
        const reduction::Partial page = load_partial(view.partials + first);
        signals = {page.norm2, page.max_abs, page.nonfinite};
        if constexpr (Recipe::sums) signals.summed = __ldcg(view.summed + first);
      }
      for (unsigned more = __ballot_sync(0xffffffffU, several); more != 0; more &= more - 1) {
        const int of = __ffs(int(more)) - 1;
        const TensorSignals sum = add_tensor(view, __shfl_sync(0xffffffffU, first, of),
                                             __shfl_sync(0xffffffffU, pages, of));
        if (lane == of) signals = sum;
      }
      signals.numel = numel;
      if (mine && !many) decide_tensor(view, t, signals);
    }
  }
}

/// `parts` blocks work together, of which this is number `part`: the last one does first() in one
/// thread, then all do work(part), then whoever is last does end() in one thread. Every thread of
/// the blocks calls it.
template <class Recipe, class First, class Work, class End>
__device__ void together(Core<Recipe>& core, unsigned part, unsigned parts, const First& first,
                         const Work& work, const End& end) {
  if (threadIdx.x == 0) {
    volatile unsigned* const judged = &core.judged;
    if (part + 1 == parts) {
      __threadfence();
      first();
      __threadfence();
      *judged = 1;
    } else {
      while (*judged == 0) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 700
        __nanosleep(20);
#endif
      }
      __threadfence();
    }
  }
  __syncthreads();
  work();
  __syncthreads();
  if (threadIdx.x != 0) return;
  __threadfence();
  if (atomicAdd(&core.finished, 1U) + 1 < parts) return;
  __threadfence();
  core.arrived = core.judged = core.finished = 0;
  end();
}

/// Phase 2 by the last `view.deciders` blocks of a reduce pass; `part` is this block's place among
/// them. The last one has written core.signals.
template <class Recipe>
__device__ void decide_together(const View<Recipe>& view, unsigned part) {
  Core<Recipe>& core = *view.core;
  together(
      core, part, unsigned(view.deciders), [&] { judge(view, core.signals[view.parity]); },
      [&] {
        if (moves(core)) decide_tensors(view, int(part), view.deciders);
      },
      [&] {
        if (core.apply != 0) core.memory.updates += 1;
      });
}
/// The same as a call: a large decision would take registers from the pass that comes before it.
template <class Recipe>
__device__ __noinline__ void decide_apart(const View<Recipe>& view, unsigned part) {
  decide_together(view, part);
}

/// Phase 2 of a step that measures nothing, by the last blocks of its sweep, when all have read
/// their coefficients: the records move on, and the coefficients of the next step are left in the
/// table, with the verdict in core.apply. core.memory is between the steps; what the next one makes
/// of it is tried on a copy.
template <class Recipe>
__device__ void commit_together(const View<Recipe>& view, unsigned part) {
  Core<Recipe>& core = *view.core;
  const unsigned parts = unsigned(view.deciders);
  __shared__ alignas(
      typename Recipe::Memory) unsigned char storage[sizeof(typename Recipe::Memory)];
  auto& memory = *reinterpret_cast<typename Recipe::Memory*>(storage);
  together(
      core, part, parts, [&] { judge(view, Signals{}); },
      [&] {
        const bool apply = core.apply != 0;
        __shared__ alignas(Verdict) unsigned char verdict_storage[sizeof(Verdict)];
        Verdict& next = *reinterpret_cast<Verdict*>(verdict_storage);
        if (threadIdx.x == 0) {
          memory = core.memory;
          if (apply) memory.updates += 1;
          Signals none;
          next = Recipe::judge(core.shared, *view.first_group, none, memory);
        }
        __syncthreads();
        const int stride = int(parts * blockDim.x);
        for (int t = int(part * blockDim.x + threadIdx.x); t < view.tensor_count; t += stride) {
          const DeviceTensor<Recipe>& tensor = view.tensors[t];
          const auto move_on = [&](auto* coefficients) {
            using R = std::remove_cv_t<decltype(coefficients->lr)>;
            typename Recipe::PerTensor record = *tensor.record;
            if (apply) {
              (void)Recipe::template decide<R>(core.shared, *tensor.group, Signals{}, core.verdict,
                                               core.memory, record, tensor.index);
              *tensor.record = record;
            }
            if (next.skip) return;
            coefficients[t] = Recipe::template decide<R>(core.shared, *tensor.group, Signals{},
                                                         next, memory, record, tensor.index);
          };
          if (tensor.is_double != 0) {
            move_on(view.coefficients64);
          } else {
            move_on(view.coefficients);
          }
        }
        if (threadIdx.x == 0 && part == 0) core.next_apply = next.skip ? 0 : 1;
      },
      [&] {
        if (core.apply != 0) core.memory.updates += 1;
        core.apply = core.next_apply;
        core.ahead = view.tensors;
      });
}

/// Phase 2 by itself: after the sums of several devices came together, or where no block does it.
template <class Recipe, class Tag>
__global__ void decide_kernel(const __grid_constant__ View<Recipe> view) {
  if constexpr (Recipe::watched) {
    settle_swept(*view.core);
    __syncthreads();
  }
  if (threadIdx.x == 0) {
    Signals signals;
    for (int i = 0; i < view.board_size; ++i) reduction::accumulate(signals, view.board[i]);
    if (view.board_size == 0) Recipe::join(signals, view.core->memory);
    judge(view, signals);
    view.core->ahead = nullptr;
  }
  __syncthreads();
  Core<Recipe>& core = *view.core;
  if (moves(core)) decide_tensors(view, 0, 1);
  __syncthreads();
  if (threadIdx.x != 0) return;
  if (core.apply != 0) core.memory.updates += 1;
  if constexpr (Recipe::recorded) {
    if (view.page_count == 0) remember(view);  // no sweep follows
  }
}

}  // namespace agmohd::cuda
