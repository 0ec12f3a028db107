// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "../../step/reduction.hpp"
#include "../view.hpp"
#include "load_store.cuh"

// What snapshots do with tensors that have no gradient in a step: two launches between its decision
// and its sweep, if there are such tensors. And with averages, of all tensors: one launch behind
// the pass that moves them.
namespace agmohd::cuda {

/// Their records, before their elements: a thread a tensor. They stand behind the tensors of the
/// view, as their chunks do.
template <class Recipe, class Tag>
__global__ void rest_per_tensor_kernel(const __grid_constant__ View<Recipe> view, int count) {
  const int t = int(blockIdx.x * blockDim.x + threadIdx.x);
  if (t >= count) return;
  const Core<Recipe>& core = *view.core;
  const DeviceTensor<Recipe>& tensor = view.tensors[view.tensor_count + t];
  if (!tensor.snapshots.room(tensor.numel)) return;
  if (core.apply == 0) {
    if (core.verdict.swap >= 0) Recipe::swap(core.memory, *tensor.per_tensor, core.verdict.swap);
  } else if (core.verdict.save >= 0) {
    Recipe::keep(core.memory, *tensor.per_tensor, core.verdict.save);
  }
}

/// One array's part of a chunk: exchanged with the snapshot's, or copied there. Returns how many
/// elements were copied that are not finite, by this thread.
template <class X>
__device__ unsigned long long rest_chunk(X* at, X* kept, int count, bool save) {
  unsigned long long spoiled = 0;
  for (int i = int(threadIdx.x); i < count; i += int(blockDim.x)) {
    const X x = at[i];
    if (save) {
      const auto value = widen(x);
      spoiled += value - value == 0 ? 0 : 1;
    } else {
      at[i] = kept[i];
    }
    kept[i] = x;
  }
  return spoiled;
}

template <class Recipe, class E>
__device__ void rest_chunk(const View<Recipe>& view, const ChunkRef& ref, int snapshot, bool save) {
  using S = Stored<typename Recipe::Storage, E>;
  const DeviceTensor<Recipe>& tensor = view.tensors[ref.tensor];
  const std::int64_t first = std::int64_t(ref.chunk) * reduction::kChunk;
  const std::int64_t left = tensor.numel - first;
  const int count = int(left < reduction::kChunk ? left : reduction::kChunk);
  const auto& kept = tensor.snapshots.at[snapshot];
  unsigned long long spoiled = rest_chunk(static_cast<E*>(tensor.param) + first,
                                          static_cast<E*>(kept[0]) + first, count, save);
#pragma unroll
  for (int s = 0; s < Recipe::slot_count; ++s) {
    if (tensor.slots[s] == nullptr) continue;
    spoiled += rest_chunk(static_cast<S*>(tensor.slots[s]) + first,
                          static_cast<S*>(kept[1 + s]) + first, count, save);
  }
  if (spoiled != 0) atomicAdd(&view.core->spoiled, spoiled);
}

/// Their elements: blocks take chunks in turn.
template <class Recipe, class Tag>
__global__ void rest_chunks_kernel(const __grid_constant__ View<Recipe> view, int count) {
  const Core<Recipe>& core = *view.core;
  const bool save = core.apply != 0;
  const int snapshot = save ? core.verdict.save : core.verdict.swap;
  if (snapshot < 0) return;
  for (int chunk = int(blockIdx.x); chunk < count; chunk += int(gridDim.x)) {
    const ChunkRef ref = view.chunks[view.chunk_count + chunk];
    const DeviceTensor<Recipe>& tensor = view.tensors[ref.tensor];
    if (tensor.snapshots.at[snapshot][0] == nullptr) continue;
    if (!save && tensor.per_tensor->snapshots.kept[snapshot].moved == 0) continue;
    if (tensor.dtype == Dtype::f32) {
      rest_chunk<Recipe, float>(view, ref, snapshot, save);
    } else if (tensor.dtype == Dtype::f64) {
      rest_chunk<Recipe, double>(view, ref, snapshot, save);
    } else if (tensor.dtype == Dtype::bf16) {
      rest_chunk<Recipe, Bf16>(view, ref, snapshot, save);
    } else {
      rest_chunk<Recipe, F16>(view, ref, snapshot, save);
    }
  }
}

/// The averages of a tensor, by the blocks with the same x.
template <class Recipe>
__device__ void keep_averages(const View<Recipe>& view, const DeviceTensor<Recipe>& tensor,
                              int snapshot, bool save) {
  unsigned long long spoiled = 0;
  const auto move = [&](auto zero, std::size_t number) {
    using R = decltype(zero);
    R* const at = static_cast<R*>(tensor.factors.average(number));
    R* const kept = static_cast<R*>(tensor.snapshots.at[snapshot][1 + Recipe::slot_count + number]);
    if (kept == nullptr) return;
    const std::int64_t count = tensor.factors.length(number);
    constexpr int kPart = 4096;
    for (std::int64_t first = std::int64_t(blockIdx.y) * kPart; first < count;
         first += std::int64_t(gridDim.y) * kPart) {
      const int part = int(count - first < kPart ? count - first : kPart);
      spoiled += rest_chunk(at + first, kept + first, part, save);
    }
  };
#pragma unroll
  for (std::size_t number = 0; number < Recipe::factor_count; ++number) {
    tensor.dtype == Dtype::f64 ? move(0.0, number) : move(0.0F, number);
  }
  if (spoiled != 0) atomicAdd(&view.core->spoiled, spoiled);
}
/// Blocks take tensors in turn, of which there are `count` with those that rest.
template <class Recipe, class Tag>
__global__ void kept_averages_kernel(const __grid_constant__ View<Recipe> view, int count) {
  const Core<Recipe>& core = *view.core;
  const bool save = core.apply != 0;
  const int snapshot = save ? core.verdict.save : core.verdict.swap;
  if (snapshot < 0) return;
  for (int t = int(blockIdx.x); t < count; t += int(gridDim.x)) {
    const DeviceTensor<Recipe>& tensor = view.tensors[t];
    if (!tensor.factors.used()) continue;
    if (!save && tensor.per_tensor->snapshots.kept[snapshot].moved == 0) continue;
    keep_averages(view, tensor, snapshot, save);
  }
}

}  // namespace agmohd::cuda
