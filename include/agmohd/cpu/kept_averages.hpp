// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "../step/executor.hpp"
#include "chunk.hpp"

namespace agmohd::cpu {

/// f(average, its place in a snapshot, elements) for the averages of a tensor that has snapshots.
template <class Recipe, class F>
void for_each_average([[maybe_unused]] const TensorRef<Recipe>& tensor,
                      [[maybe_unused]] int snapshot, [[maybe_unused]] const F& f) {
  if constexpr (Recipe::keeps_averages) {
    if (!tensor.factors.used()) return;
    for (std::size_t j = 0; j < Recipe::factor_count; ++j) {
      void* const average = tensor.factors.average(j);
      void* const kept = tensor.snapshots.at[snapshot][1 + Recipe::slot_count + j];
      if (kept == nullptr) continue;
      const auto each = [&](auto zero) {
        using R = decltype(zero);
        f(static_cast<R*>(average), static_cast<R*>(kept), tensor.factors.length(j));
      };
      tensor.dtype == Dtype::f64 ? each(0.0) : each(0.0F);
    }
  }
}

template <class Recipe>
void swap_averages(const TensorRef<Recipe>& tensor, int snapshot) {
  for_each_average(tensor, snapshot, [](auto* average, auto* kept, std::int64_t count) {
    std::swap_ranges(average, average + count, kept);
  });
}
/// Returns how many that went to the snapshot are not finite.
template <class Recipe>
std::int64_t keep_averages(const TensorRef<Recipe>& tensor, int snapshot) {
  std::int64_t spoiled = 0;
  for_each_average(tensor, snapshot, [&](auto* average, auto* kept, std::int64_t count) {
    std::copy_n(average, count, kept);
    spoiled += not_finite(kept, count);
  });
  return spoiled;
}

}  // namespace agmohd::cpu
