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
/// others are to see of this block; the last one sees all of theirs.
template <class Recipe>
__device__ unsigned arrive(Core<Recipe>& core, unsigned blocks) {
  __threadfence();
  const unsigned turn = atomicAdd(&core.arrived, 1U);
  if (turn + 1 == blocks) __threadfence();
  return turn;
}

/// Waits until a counter has a value, and for what was done before; all threads of a block.
__device__ inline void await(const unsigned& counter, unsigned value) {
  if (threadIdx.x == 0) {
    while (*static_cast<const volatile unsigned*>(&counter) != value) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 700
      __nanosleep(20);
#endif
    }
    __threadfence();
  }
  __syncthreads();
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

/// What a thread decides: a tensor and what was measured of it, or none. In shared memory, since
/// registers are short; a launch brings it along.
struct Mine {
  int tensor;
  TensorSignals signals;
};
template <class Recipe>
inline constexpr int mine_bytes = (Recipe::wants & kTensors) != 0 ? int(sizeof(Mine)) : 0;

__device__ inline Mine& mine() {
  extern __shared__ Mine of_threads[];
  return of_threads[threadIdx.x];
}

/// How many neighbours a warp takes in a round: not all of its lanes.
template <class Recipe>
__device__ int share_of_warp(const View<Recipe>& view, int parts) {
  const int warps = parts * int(blockDim.x) / reduction::kWarp;
  return min((view.tensor_count + warps - 1) / warps, reduction::kWarp - 1);
}
/// Finds out what the threads of block `part` of `parts` decide in a round, by the whole block,
/// when all pages are measured. A warp has some neighbours: those of one page are read by a lane
/// each, the others added together. Those of many pages are dealt to the blocks, which add one in a
/// round, for a lane of the first warp that has no neighbour. A call, to be compiled once.
template <class Recipe>
__device__ __noinline__ void gather(const View<Recipe>& view, int part, int parts, int round) {
  constexpr int kWarp = reduction::kWarp;
  const int lane = int(threadIdx.x) % kWarp, share = share_of_warp(view, parts);
  const int warps = parts * int(blockDim.x) / kWarp;
  const int warp = (part * int(blockDim.x) + int(threadIdx.x)) / kWarp;
  const int t = (round * warps + warp) * share + lane;
  const bool neighbour = lane < share && t < view.tensor_count;
  const std::int64_t numel = neighbour ? view.tensors[t].numel : 0;
  const int first = neighbour ? view.tensors[t].first_page : 0;
  const int pages = int(reduction::pages(numel));
  const bool many = pages > int(reduction::kManyPages);
  TensorSignals signals;
  if (pages == 1) {
    Sums page;
    page.load(view.partials, first);
    signals = {page.norm2, page.max_abs, page.count_of(view.partials, first)};
    if constexpr (Recipe::sums) signals.summed = __ldcg(view.summed + first);
  }
  for (unsigned more = __ballot_sync(0xffffffffU, pages > 1 && !many); more != 0;
       more &= more - 1) {
    const int of = __ffs(int(more)) - 1;
    const TensorSignals sum =
        add_tensor(view, __shfl_sync(0xffffffffU, first, of), __shfl_sync(0xffffffffU, pages, of));
    if (lane == of) signals = sum;
  }
  signals.numel = numel;
  mine() = {neighbour && !many ? t : -1, signals};
  const int m = round * parts + part;
  if (m >= view.many_count) return;
  const DeviceTensor<Recipe>& tensor = view.tensors[view.many[m]];
  const int its_pages = int(reduction::pages(tensor.numel));
  const reduction::Partial sum = add_pages(view, tensor.first_page, its_pages);
  double summed = 0;
  if constexpr (Recipe::sums) summed = add_summed(view, tensor.first_page, its_pages);
  __shared__ TensorSignals whole;
  if (threadIdx.x == 0) whole = {sum.norm2, sum.max_abs, sum.nonfinite, tensor.numel, summed};
  __syncthreads();
  if (int(threadIdx.x) == share) mine() = {view.many[m], whole};
}

/// The tensors' share of the decision, by block `part` of `parts`, after judge() and, where sums of
/// each tensor are wanted, gather() for the first round.
template <class Recipe>
__device__ void decide_tensors(const View<Recipe>& view, int part, int parts) {
  if constexpr ((Recipe::wants & kTensors) == 0) {
    const int stride = parts * int(blockDim.x);
    for (int t = part * int(blockDim.x) + int(threadIdx.x); t < view.tensor_count; t += stride) {
      decide_tensor(view, t, TensorSignals{});
    }
  } else {
    const int in_round = parts * int(blockDim.x) / reduction::kWarp * share_of_warp(view, parts);
    for (int round = 0;;) {
      if (mine().tensor >= 0) decide_tensor(view, mine().tensor, mine().signals);
      ++round;
      if (round * in_round >= view.tensor_count && round * parts >= view.many_count) return;
      gather(view, part, parts, round);
    }
  }
}

/// `parts` blocks of the `blocks` that arrive work together, of which this is number `part`: when
/// everybody arrived, the last one does first() in one thread and the others, or if it is alone it
/// too, prepare(). Then all do work(), and whoever is last does end() in one thread. Every thread
/// of the blocks calls it.
template <class Recipe, class Prepare, class First, class Work, class End>
__device__ void together(Core<Recipe>& core, unsigned part, unsigned parts, unsigned blocks,
                         const Prepare& prepare, const First& first, const Work& work,
                         const End& end) {
  const bool is_first = part + 1 == parts;
  if (!is_first) await(core.arrived, blocks);
  if (!is_first || parts == 1) prepare();
  if (is_first) {
    if (threadIdx.x == 0) {
      first();
      __threadfence();
      *static_cast<volatile unsigned*>(&core.judged) = 1;
    }
    __syncthreads();
  } else {
    await(core.judged, 1);
  }
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
/// them. The last one has written core.signals, and judges; the others have the tensors.
template <class Recipe>
__device__ void decide_together(const View<Recipe>& view, unsigned part) {
  Core<Recipe>& core = *view.core;
  const unsigned parts = unsigned(view.deciders);
  const int sharing = parts > 1 ? int(parts) - 1 : 1;
  together(
      core, part, parts, unsigned(view.reduce_blocks),
      [&] {
        if constexpr ((Recipe::wants & kTensors) != 0) gather(view, int(part), sharing, 0);
      },
      [&] { judge(view, core.signals[view.parity]); },
      [&] {
        if (int(part) < sharing && moves(core)) decide_tensors(view, int(part), sharing);
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
      core, part, parts, unsigned(view.sweep_blocks), [] {}, [&] { judge(view, Signals{}); },
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
  if (moves(core)) {
    if constexpr ((Recipe::wants & kTensors) != 0) gather(view, 0, 1, 0);
    decide_tensors(view, 0, 1);
  }
  __syncthreads();
  if (threadIdx.x != 0) return;
  if (core.apply != 0) core.memory.updates += 1;
  if constexpr (Recipe::recorded) {
    if (view.page_count == 0) remember(view);  // no sweep follows
  }
}

}  // namespace agmohd::cuda
