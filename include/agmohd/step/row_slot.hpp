// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "factors.hpp"
#include "rows.hpp"

// A slot that is one number a row: the running mean of g^2 over the row, g being the gradient after
// the transforms. Rows are those of RowShape, and their squares are added as step/rows.hpp says.
namespace agmohd {

/// Where the averages of a tensor's rows lie; null: it has no elements. They are double for float64
/// parameters and float for others, whatever the storage.
struct RowSlotRefs {
  void* row = nullptr;
  RowShape shape{};

  AGMOHD_HD bool used() const { return row != nullptr; }
  AGMOHD_HD void*& average(std::size_t) { return row; }
  AGMOHD_HD void* const& average(std::size_t) const { return row; }
  /// How many elements it has.
  AGMOHD_HD std::int64_t length(std::size_t) const { return shape.count; }
};

/// What stands in the place of a rule's factored slot.
template <class Recipe>
using AverageRefs = std::conditional_t<
    !Recipe::factored, detail::NoMemory,
    std::conditional_t<Recipe::by_rows, RowSlotRefs,
                       std::conditional_t<Recipe::residual, ResidualRefs, FactorRefs>>>;

}  // namespace agmohd
