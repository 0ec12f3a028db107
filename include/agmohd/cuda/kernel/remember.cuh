// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "../view.hpp"
#include "stage.cuh"
#include "swept.cuh"

// Phase 4 of a step: what policies remember of it, and its record, beside the sweep.
namespace agmohd::cuda {

/// The record goes to the host with its seal, by one whole warp.
__device__ inline void send(RecordRing& ring, const Record& record) {
  using Word = unsigned long long;
  static_assert(sizeof(Word) == sizeof(RecordRing::Word) && RecordRing::kWords < reduction::kWarp);
  const int lane = int(threadIdx.x) % reduction::kWarp;
  const bool has = lane < RecordRing::kWords;
  const Word word = has ? reinterpret_cast<const Word*>(&record)[lane] : 0;
  Word seal = has ? sealed(word, lane) : 0;
  for (int d = reduction::kWarp / 2; d > 0; d /= 2) seal += __shfl_xor_sync(0xffffffffU, seal, d);
  Word* const to = reinterpret_cast<Word*>(&ring.slots[record.step % RecordRing::kSize]);
  if (lane <= RecordRing::kWords) to[lane] = has ? word : seal;
}

/// By a whole block, while others sweep; a call, which would take registers from them. The parts of
/// Recipe::remember() do not depend on each other: a warp each.
template <class Recipe>
__device__ __noinline__ void remember(const View<Recipe>& view) {
  constexpr int kWarp = reduction::kWarp;
  Core<Recipe>& core = *view.core;
  Stage<Recipe>& s = stage<Recipe>();
  __shared__ alignas(8) unsigned char storage[sizeof(Record)];
  Record& record = *reinterpret_cast<Record*>(storage);
  const int warp = int(threadIdx.x) / kWarp, warps = int(blockDim.x) / kWarp;
  load_stage(view, true);
  if (Recipe::measures_sweep && threadIdx.x == 0 && core.apply != 0) leave_swept(view);
  __syncthreads();
  if (threadIdx.x % kWarp == 0) {
#pragma unroll 1
    for (int part = warp; part < Recipe::remember_parts; part += warps) {
      Recipe::remember_part(part, s.shared, s.first, s.signals, s.verdict, s.memory, record);
    }
  }
  __syncthreads();
  if (warp == 0) send(*view.ring, record);
  if (warp == 1 % warps) WarpCopy<typename Recipe::Memory>::put(core.memory, s.memory);
}

}  // namespace agmohd::cuda
