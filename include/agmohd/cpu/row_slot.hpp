// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "../step/row_slot.hpp"
#include "factors.hpp"
#include "load_store.hpp"

namespace agmohd::cpu {

/// The averages of a tensor's rows, for loops that go through its elements in order.
template <class R>
struct RowAverages {
  const R* averages = nullptr;
  RowShape shape{};

  bool used() const { return averages != nullptr; }

  /// Of the elements from `element` on, as many as V has.
  template <class V>
  V at(std::int64_t element) const {
    if constexpr (std::is_floating_point_v<V>) {
      find(element);
      return V(now_);
    } else {
      R of[V::size];
      find(element);
      if (element + V::size <= end_) {
        std::fill(of, of + V::size, now_);
      } else {
        for (int j = 0; j < V::size; ++j) of[j] = at<R>(element + j);
      }
      return load<V>(static_cast<const R*>(of));
    }
  }

 private:
  // A run is what of memory has one row.
  void find(std::int64_t element) const {
    if (element >= begin_ && element < end_) return;
    const std::int64_t run = element / shape.stride;
    begin_ = run * shape.stride;
    end_ = begin_ + shape.stride;
    now_ = averages[run % shape.count];
  }
  mutable std::int64_t begin_ = 0, end_ = 0;
  mutable R now_ = 0;
};

/// What a chunk has in the place of a rule's factored slot.
template <class Recipe, class R>
using Averages =
    std::conditional_t<!Recipe::factored, detail::NoFactors,
                       std::conditional_t<Recipe::by_rows, RowAverages<R>, SlotFactors<R>>>;
struct NoResiduals {};
template <class Recipe, class R>
using Residuals = std::conditional_t<Recipe::residual, SlotFactors<R>, NoResiduals>;

}  // namespace agmohd::cpu
