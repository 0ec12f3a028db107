// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "../policy/element.hpp"
#include "factors.hpp"
#include "load_store.hpp"
#include "row_slot.hpp"
#include "rows.hpp"

// What the CPU's loops work on: a chunk of a tensor.
namespace agmohd::cpu {

/// Where a chunk lies.
struct ChunkRef {
  std::int32_t tensor;
  std::int64_t first;  // element
};
/// The chunks of sorted tensors; `waves`: the first chunk of each wave, and the end.
template <class Tensors>
void list_chunks(const Tensors& sorted, std::vector<ChunkRef>& chunks,
                 std::vector<std::int64_t>& waves) {
  chunks.clear();
  waves.clear();
  for (std::size_t t = 0; t < sorted.size(); ++t) {
    if (t == 0 || sorted[t].wave != sorted[t - 1].wave) {
      waves.push_back(std::int64_t(chunks.size()));
    }
    for (std::int64_t first = 0; first < sorted[t].numel; first += reduction::kChunk) {
      chunks.push_back({std::int32_t(t), first});
    }
  }
  waves.push_back(std::int64_t(chunks.size()));
}

/// Everything about a chunk that the loops need.
template <class Recipe, class E>
struct Chunk {
  using Slot = Stored<typename Recipe::Storage, E>;
  static constexpr int kRoom = Recipe::slot_count > 0 ? Recipe::slot_count : 1;
  E* param;
  const E* grad;
  Slot* slots[kRoom];  // null: not used
  std::int64_t count;
  std::int64_t first;  // element of the tensor
  std::conditional_t<Recipe::rows, ValuesOf<Recipe>, detail::NoMemory> rows;
  [[no_unique_address]] Averages<Recipe, Compute<E>> factors;
  [[no_unique_address]] Residuals<Recipe, Compute<E>> residuals;
  E* kept_param;  // of a snapshot that is to be written, or swapped; null: none
  Slot* kept_slots[kRoom];
  /// Whether it has the slots that most rules use by default, the first two, and no snapshot.
  bool usual() {
    if (kept_param != nullptr) return false;
    for (int j = 0; j < Recipe::slot_count; ++j) {
      if ((slots[j] != nullptr) != (j < 2)) return false;
    }
    kept_param = nullptr;
    for (int j = 2; j < Recipe::slot_count; ++j) slots[j] = nullptr;
    return true;
  }
  const Chunk* next;  // this thread's chunk after this one; null: unknown

  /// Asks the memory for the next chunk while this one is worked on: hardware looks ahead within a
  /// long stream alone, and all at once would be more than it takes. Inlined early: GCC takes a
  /// function that only prefetches for one without effects, and drops the call.
  __attribute__((always_inline)) void ask_grad(std::int64_t i) const {
    if (next != nullptr && i < next->count) __builtin_prefetch(next->grad + i);
  }
  __attribute__((always_inline)) void ask(std::int64_t i) const {
    if (next == nullptr || i >= next->count) return;
    __builtin_prefetch(next->grad + i);
    __builtin_prefetch(next->param + i);
    for (int j = 0; j < Recipe::slot_count; ++j) {
      if (next->slots[j] != nullptr) __builtin_prefetch(next->slots[j] + i);
    }
  }
};

/// The gradients from element `i` on, as many as V has, with the values of their rows.
template <class V, class Recipe, class E>
V grad_at(const Chunk<Recipe, E>& chunk, std::int64_t i) {
  if constexpr (Recipe::rows) {
    return with_rows<Recipe, E>(load<V>(chunk.grad + i), chunk.rows, chunk.first + i);
  } else {
    return load<V>(chunk.grad + i);
  }
}

/// Slot `j` from element `i` on, where it is factored.
template <class V, class Recipe, class E>
void take_factored(const Chunk<Recipe, E>& chunk, int j, std::int64_t i, V& slot) {
  if constexpr (Recipe::factored) {
    if (j == Recipe::Rule::factored && chunk.factors.used()) {
      slot = chunk.factors.template at<V>(chunk.first + i);
    }
  }
  if constexpr (Recipe::residual) {
    if (j == Recipe::Rule::refactored && chunk.residuals.used()) {
      slot = chunk.residuals.template at<V>(chunk.first + i);
    }
  }
}

/// Whether the first of two sweeps would change nothing: the only slot of a rule is factored.
template <class Recipe, class E>
bool stores_nothing(const Chunk<Recipe, E>& chunk) {
  if constexpr (Recipe::factored && Recipe::two_sweeps && !Recipe::measures_sweep &&
                Recipe::slot_count == 1 && !Recipe::keeps_snapshots) {
    return chunk.factors.used();
  }
  return false;
}

/// Writes the chunk to its snapshot.
template <class Recipe, class E>
void keep_chunk(const Chunk<Recipe, E>& chunk) {
  std::copy_n(chunk.param, chunk.count, chunk.kept_param);
  for (int j = 0; j < Recipe::slot_count; ++j) {
    if (chunk.slots[j] != nullptr) std::copy_n(chunk.slots[j], chunk.count, chunk.kept_slots[j]);
  }
}

/// Exchanges the chunk with its snapshot.
template <class Recipe, class E>
void swap_chunk(const Chunk<Recipe, E>& chunk) {
  std::swap_ranges(chunk.param, chunk.param + chunk.count, chunk.kept_param);
  for (int j = 0; j < Recipe::slot_count; ++j) {
    if (chunk.slots[j] == nullptr) continue;
    std::swap_ranges(chunk.slots[j], chunk.slots[j] + chunk.count, chunk.kept_slots[j]);
  }
}

template <class E>
std::int64_t not_finite(const E* x, std::int64_t count) {
  std::int64_t sum = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    const auto value = load<Compute<E>>(x + i);
    if (!(value - value == 0)) ++sum;
  }
  return sum;
}

/// How many elements of a chunk's part of a snapshot are not finite; but for the parameter, if a
/// second sweep is still to write it.
template <class Recipe, class E>
std::int64_t spoiled(const Chunk<Recipe, E>& chunk) {
  std::int64_t count = Recipe::two_sweeps ? 0 : not_finite(chunk.kept_param, chunk.count);
  for (int j = 0; j < Recipe::slot_count; ++j) {
    if (chunk.slots[j] != nullptr) count += not_finite(chunk.kept_slots[j], chunk.count);
  }
  return count;
}

}  // namespace agmohd::cpu
