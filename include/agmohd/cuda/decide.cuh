// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <type_traits>

#include "add.cuh"
#include "lane.cuh"
#include "swept.cuh"
#include "table.hpp"

// Phase 2 of a step: judge once, then a thread a tensor. With thousands of tensors the work is
// shared by some blocks, which run anyway and so may wait for each other, as long as they are few:
// StepTable::most_deciders().
namespace agmohd::cuda {

/// The turn of a block: how many came before. Call it in one thread, after what the others are to
/// see of this block.
template <class Recipe>
__device__ unsigned arrive(Core<Recipe>& core) {
  __threadfence();
  return atomicAdd(&core.arrived, 1U);
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

/// What this device judged goes where the others read it, or what another one judged is taken. In
/// one thread; a call, since memories are large.
template <class Recipe>
__device__ __noinline__ void exchange_judgement(Core<Recipe>& core, bool take) {
  typename Recipe::Judgement& judgement = core.judgement;
  if (take) {
    core.decided = judgement.signals;
    core.verdict = judgement.verdict;
    Recipe::take(judgement.memory, core.memory);
  } else {
    judgement.signals = core.decided;
    judgement.verdict = core.verdict;
    judgement.memory = core.memory;
  }
}

/// In one thread; `real` or a rehearsal, on spare memory. On the memory as it lies: a copy of it
/// goes through local memory, and took five times as long as all that is decided.
template <class Recipe>
__device__ void judge(const View<Recipe>& view, Signals signals, bool real = true) {
  Core<Recipe>& core = *view.core;
  prefetch(&core);
  if (view.loss != nullptr) {
    signals.loss = read_loss(view);
    signals.has_loss = true;
  }
  if (view.board_size >= 0) {
    Verdict& verdict = real ? core.verdict : core.spare_verdict;
    verdict = Recipe::judge(core.shared, *view.first_group, signals,
                            real ? core.memory : core.spare_memory);
    if (!real) return;
    core.decided = signals;
  }
  if (Recipe::wants != 0 && view.board_size != 0) exchange_judgement(core, view.board_size < 0);
  core.apply = core.verdict.skip ? 0 : 1;
  if (core.apply != 0)
    core.guarded = core.throttled = core.spoiled = 0;  // the last sweep's are in the memory
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

/// A tensor's share of the decision, or a rehearsal of it on spare memory.
template <class Recipe>
__device__ void decide_tensor(const View<Recipe>& view, int t, const TensorSignals& signals,
                              Spare<Recipe>* spare = nullptr) {
  const Core<Recipe>& core = *view.core;
  const DeviceTensor<Recipe>& tensor = view.tensors[t];
  typename Recipe::PerTensor& record = spare != nullptr ? spare->record : *tensor.record;
  prefetch(&record);
  // For snapshots: a table that was captured without them has none.
  const bool room = tensor.snapshots.room(tensor.numel);
  if constexpr (Recipe::heals) {
    if (core.apply == 0 && spare == nullptr) {
      if (room) Recipe::swap(core.memory, record, core.verdict.swap);
      return;
    }
  }
  const auto decide = [&](auto& to) {
    using R = std::remove_cv_t<decltype(to.lr)>;
    std::int64_t throttled = 0;
    to = Recipe::template decide<R>(core.shared, *tensor.group, core.decided, core.verdict,
                                    core.memory, record, tensor.index, signals, room, &throttled);
    if (throttled != 0 && spare == nullptr) atomicAdd(&view.core->throttled, 1ULL);
  };
  if (tensor.is_double != 0) {
    decide(spare != nullptr ? spare->coefficients64 : view.coefficients64[t]);
  } else {
    decide(spare != nullptr ? spare->coefficients : view.coefficients[t]);
  }
}

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
    Measured<std::uint64_t> x[1] = {};
    add_strided(view.partials, first, first + 1, 1, x);
    signals = {x[0].norm2, magnitude_value(x[0].most), x[0].nonfinite};
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
/// each tensor are wanted, gather() for the first round. With `spare` a rehearsal.
template <class Recipe>
__device__ void decide_tensors(const View<Recipe>& view, int part, int parts,
                               Spare<Recipe>* spare = nullptr) {
  constexpr bool gathered = (Recipe::wants & kTensors) != 0;
  int in_round = parts * int(blockDim.x);
  if constexpr (gathered) in_round = in_round / reduction::kWarp * share_of_warp(view, parts);
  for (int round = 0;;) {
    int t = (round * parts + part) * int(blockDim.x) + int(threadIdx.x);
    if (t >= view.tensor_count) t = -1;
    TensorSignals signals;
    if constexpr (gathered) t = mine().tensor, signals = mine().signals;
    if (spare != nullptr) t = threadIdx.x == 0 ? max(t, 0) : -1;
    if (t >= 0) decide_tensor(view, t, signals, spare);
    ++round;
    const bool more =
        round * in_round < view.tensor_count || (gathered && round * parts < view.many_count);
    if (spare != nullptr || !more) return;
    if constexpr (gathered) gather(view, part, parts, round);
  }
}

/// Phase 2 by `view.deciders` blocks of a reduce pass, of which this is number `part`, when all
/// blocks have arrived. Number 0 adds all pages, or what came together of several devices, and
/// judges, if `alone`; the others have the tensors, or if there is no other it has. In a long pass
/// each rehearses before what it will do: code that a multiprocessor has not run lately comes from
/// memory, since the pass went through the caches, and takes several times as long.
template <class Recipe>
__device__ void decide_together(const View<Recipe>& view, int part, bool alone) {
  Core<Recipe>& core = *view.core;
  const unsigned blocks = unsigned(view.reduce_blocks);
  const int parts = view.deciders, sharing = parts > 1 ? parts - 1 : 1;
  const int share = parts > 1 ? part - 1 : 0;  // of the tensors; -1: none
#pragma unroll 1
  for (int real = view.rehearse ? 0 : 1; real < 2; ++real) {
    if (real != 0) await(core.arrived, blocks);
    if (part == 0) {
      reduction::Partial sum{};
      if (view.board_size == 0) {
        sum = add_pages(view, 0, real != 0 ? view.page_count : min(view.page_count, 1));
      }
      if (threadIdx.x == 0) {
        Signals signals;
        for (int i = 0; i < view.board_size; ++i) reduction::accumulate(signals, view.board[i]);
        if (view.board_size == 0) {
          signals.norm2 = sum.norm2;
          signals.max_abs = sum.max_abs;
          signals.nonfinite = sum.nonfinite;
          Recipe::join(signals, core.memory);
          if (real != 0) core.signals = signals;  // which other devices read
        }
        if (real == 0) core.spare_memory = core.memory;
        if (alone) judge(view, signals, real != 0);
        __threadfence();
        if (real != 0 && alone) *static_cast<volatile unsigned*>(&core.judged) = 1;
      }
      __syncthreads();  // what adds uses shared memory
    }
    if (!alone) continue;
    if (share >= 0) {
      if constexpr ((Recipe::wants & kTensors) != 0) gather(view, share, sharing, 0);
      if (real != 0) await(core.judged, 1);
      Spare<Recipe>* const spare = real != 0 ? nullptr : view.spares + part;
      if (spare != nullptr && threadIdx.x == 0) spare->record = *view.tensors[0].record;
      if (spare != nullptr || moves(core)) decide_tensors(view, share, sharing, spare);
    }
    __syncthreads();
  }
  if (threadIdx.x != 0) return;
  __threadfence();
  if (alone && atomicAdd(&core.finished, 1U) + 1 < unsigned(parts)) return;
  __threadfence();
  core.arrived = core.judged = core.finished = 0;
  if (alone && core.apply != 0) core.memory.updates += 1;
}
/// The same as a call: a large decision would take registers from the pass that comes before it.
template <class Recipe>
__device__ __noinline__ void decide_apart(const View<Recipe>& view, int part, bool alone) {
  decide_together(view, part, alone);
}

/// `parts` blocks work together, of which this is number `part`: the last one does first() in one
/// thread, then all do work(), then whoever is last does end() in one thread. Every thread of the
/// blocks calls it.
template <class Recipe, class First, class Work, class End>
__device__ void together(Core<Recipe>& core, unsigned part, unsigned parts, const First& first,
                         const Work& work, const End& end) {
  if (part + 1 == parts && threadIdx.x == 0) {
    __threadfence();
    first();
    __threadfence();
    *static_cast<volatile unsigned*>(&core.judged) = 1;
  }
  await(core.judged, 1);
  work();
  __syncthreads();
  if (threadIdx.x != 0) return;
  __threadfence();
  if (atomicAdd(&core.finished, 1U) + 1 < parts) return;
  __threadfence();
  core.arrived = core.judged = core.finished = 0;
  end();
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

/// Phase 2 of a step that measures nothing, where it has no element and so no sweep.
template <class Recipe, class Tag>
__global__ void decide_kernel(const __grid_constant__ View<Recipe> view) {
  Core<Recipe>& core = *view.core;
  if (threadIdx.x == 0) {
    judge(view, Signals{});
    core.ahead = nullptr;
  }
  __syncthreads();
  if (core.apply == 0) return;
  decide_tensors(view, 0, 1);
  __syncthreads();
  if (threadIdx.x == 0) core.memory.updates += 1;
}

}  // namespace agmohd::cuda
