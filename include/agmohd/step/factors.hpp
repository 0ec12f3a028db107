// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

#include "../policy/factoring.hpp"
#include "../policy/number.hpp"
#include "../policy/policy.hpp"
#include "reduction.hpp"

// A factored slot (Shazeer & Stern 2018, section 3). A tensor of two or more dimensions is a batch
// of matrices, its last two dimensions. It does not store the slot v of a rule, but two averages:
// row of each row's mean of g^2, column of each column's, g being the gradient after the
// transforms. Then
//   v[r, c] = row[r] column[c] / max(mean of row, least)
// A rule with inverse_roots gets in its place
//   1 / sqrt(max(row[r] / max(mean of row, least), least)) * 1 / sqrt(max(column[c], least)).
// Either way the two factors of the product are made once a row and column, and their product once
// an element.
//
// The order of additions is part of the algorithm, so that every backend gets the same bits. A
// matrix is cut into tiles of 64 rows and 128 columns. Lane l of 32 has the columns l, l + 32,
// l + 64, l + 96 of a tile, and squares in double. A row's sum in a tile: each lane adds its
// columns in order, and the lanes are added as a butterfly at distances 16, 8, 4, 2, 1. A column's
// sum in a tile: its rows in order. Tiles are added in order. The mean of row averages is added in
// double, dealt to 32 lanes, or to 512 if there are more than 1024 rows, as chunks are.
namespace agmohd {

/// The matrices of a tensor that is dense in memory. The last two dimensions are `outer` and
/// `inner` in the order in which they lie in memory, the others are collapsed to those in front of,
/// between and behind them: an element's number in memory order is
/// (((front outer + o) between + b) inner + i) behind + k. Averages lie in the same order, without
/// the dimension that they are means over.
struct FactorShape {
  std::int64_t front = 0, outer = 0, between = 0, inner = 0, behind = 0;
  bool rows_outer = true;  ///< rows are the outer dimension of the two
  bool operator==(const FactorShape&) const = default;

  AGMOHD_HD std::int64_t rows() const { return rows_outer ? outer : inner; }
  AGMOHD_HD std::int64_t columns() const { return rows_outer ? inner : outer; }
  AGMOHD_HD std::int64_t matrices() const { return front * between * behind; }
};

/// One matrix of a tensor, and where its parts lie.
struct FactorMatrix {
  std::int64_t first;              ///< element
  std::int64_t row, column;        ///< from one row, column to the next
  std::int64_t row_at, column_at;  ///< the first average of its rows, of its columns
  std::int64_t row_by, column_by;  ///< from one average to the next

  AGMOHD_HD FactorMatrix(const FactorShape& s, std::int64_t number) {
    const std::int64_t k = number % s.behind, ab = number / s.behind;
    const std::int64_t b = ab % s.between, a = ab / s.between;
    const std::int64_t inner_step = s.behind, outer_step = s.between * s.inner * s.behind;
    first = ((a * s.outer * s.between + b) * s.inner) * s.behind + k;
    const std::int64_t outer_at = (a * s.outer * s.between + b) * s.behind + k;
    const std::int64_t inner_at = (a * s.between + b) * s.inner * s.behind + k;
    const std::int64_t outer_by = s.between * s.behind, inner_by = s.behind;
    row = s.rows_outer ? outer_step : inner_step;
    column = s.rows_outer ? inner_step : outer_step;
    row_at = s.rows_outer ? outer_at : inner_at;
    column_at = s.rows_outer ? inner_at : outer_at;
    row_by = s.rows_outer ? outer_by : inner_by;
    column_by = s.rows_outer ? inner_by : outer_by;
  }
  AGMOHD_HD std::int64_t element(std::int64_t r, std::int64_t c) const {
    return first + r * row + c * column;
  }
};

/// Where the averages of a tensor lie; null: its slot is not factored. Elements are double for
/// float64 parameters and float for others, whatever the storage.
struct FactorRefs {
  void* row = nullptr;
  void* column = nullptr;
  FactorShape shape{};

  AGMOHD_HD bool used() const { return row != nullptr; }
  AGMOHD_HD void*& average(std::size_t number) { return number == 0 ? row : column; }
  AGMOHD_HD void* const& average(std::size_t number) const { return number == 0 ? row : column; }
  /// How many elements it has.
  AGMOHD_HD std::int64_t length(std::size_t number) const {
    return shape.matrices() * (number % 2 == 0 ? shape.rows() : shape.columns());
  }
};

/// And those of residuals.
struct ResidualRefs : FactorRefs {
  void* residual_row = nullptr;
  void* residual_column = nullptr;

  AGMOHD_HD void*& average(std::size_t number) {
    if (number < 2) return FactorRefs::average(number);
    return number == 2 ? residual_row : residual_column;
  }
  AGMOHD_HD void* const& average(std::size_t number) const {
    if (number < 2) return FactorRefs::average(number);
    return number == 2 ? residual_row : residual_column;
  }
};

namespace detail {
/// How the factors of a recipe move, or those of residuals, from its coefficients.
template <class Recipe, bool residual, class K>
AGMOHD_HD auto factoring(const K& k) {
  if constexpr (residual) {
    return Recipe::Rule::refactoring(k.rule);
  } else {
    return Recipe::Rule::factoring(k.rule);
  }
}
}  // namespace detail
template <class Recipe, class R, bool residual>
using FactoringOf = decltype(detail::factoring<Recipe, residual>(
    std::declval<const typename Recipe::template Coefficients<R>&>()));

namespace reduction {

inline constexpr int kTileRows = 64, kTileColumns = 128;

/// How the matrices of a tensor are cut into tiles.
struct Tiles {
  std::int64_t down, across;  ///< of a matrix
  AGMOHD_HD explicit constexpr Tiles(std::int64_t rows, std::int64_t columns)
      : down((rows + kTileRows - 1) / kTileRows),
        across((columns + kTileColumns - 1) / kTileColumns) {}
  AGMOHD_HD explicit Tiles(const FactorShape& s) : Tiles(s.rows(), s.columns()) {}
  AGMOHD_HD std::int64_t count() const { return down * across; }
};

/// An average moved on by the mean of a sum over `count` elements.
template <class T, class R = Real<T>>
AGMOHD_HD T averaged(const T& average, double sum, std::int64_t count, R gain) {
  const T mean = math::like(average, R(sum / double(count)));
  return average + gain * (mean - average);
}
/// What the row averages of a matrix are divided by.
template <class R>
AGMOHD_HD R divisor(double sum, std::int64_t rows, R least) {
  const R mean = R(sum / double(rows));
  return mean < least ? least : mean;
}
/// A column's factor in the value of the slot of a recipe with inverse_roots. Without, the average
/// itself is.
template <class T, class R = Real<T>>
AGMOHD_HD T inverse_root(const T& average, R least) {
  return math::like(average, R(1)) / math::sqrt(math::max(average, math::like(average, least)));
}
/// A row's factor, `by` being the divisor of its matrix.
template <class Recipe, class T, class R = Real<T>>
AGMOHD_HD T row_factor(const T& average, R by, [[maybe_unused]] R least) {
  const T scaled = average / math::like(average, by);
  if constexpr (Recipe::inverse_roots) {
    return inverse_root(scaled, least);
  } else {
    return scaled;
  }
}

}  // namespace reduction

}  // namespace agmohd
