// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <type_traits>

#include "../gradient/gradient.hpp"
#include "../policy/number.hpp"

// Rows of tensors, for transforms that act on each by itself. What is added of a row, and in which
// order, is part of the algorithm, so that every backend gets the same bits: a row is cut into
// pieces of 4096 elements in memory order; of a piece, lane l of 32 adds, in double, squares of the
// elements l, l + 32, ..., or the elements themselves, and the lanes are added as a butterfly at
// distances 16, 8, 4, 2, 1; pieces are added in order. Where a recipe projects, a tensor is one
// row, and its pieces are added as the chunks of a tensor are, see reduction::tensor_lanes().
namespace agmohd {

/// The rows of a tensor that is dense in memory: what one index of its first dimension names. A
/// tensor of fewer than two dimensions is one row.
struct RowShape {
  std::int64_t count = 1;
  std::int64_t stride = 1;  ///< elements from one row to the next
  std::int64_t dims = 1;    ///< dimensions of the tensor
  bool operator==(const RowShape&) const = default;

  /// The row of an element, by its number in memory order.
  AGMOHD_HD std::int64_t of(std::int64_t element) const { return element / stride % count; }
  /// Element k of row r, of `length` elements.
  AGMOHD_HD std::int64_t element(std::int64_t length, std::int64_t r, std::int64_t k) const {
    if (stride == length) return r * stride + k;
    return k / stride * (stride * count) + r * stride + k % stride;
  }
};

namespace reduction {

inline constexpr int kPiece = 4096;
inline constexpr int kPieceLanes = 32;

/// How many pieces a row of `length` elements has.
AGMOHD_HD constexpr std::int64_t pieces(std::int64_t length) {
  return (length + kPiece - 1) / kPiece;
}

/// Sums of a row, or of a piece of it.
struct RowSums {
  double p2 = 0;  ///< of squares of the parameter; 0 where the recipe shifts rows
  double g = 0;   ///< of squares of the gradient, or, where the recipe shifts rows, of the gradient
};

/// Sums of a tensor, or of a piece of it, where the recipe projects.
struct TensorSums {
  double p2 = 0, pg = 0, g2 = 0;  ///< of p^2, p g and g^2
};
/// What is made of them.
template <class Recipe>
using ValueOfRow =
    std::conditional_t<Recipe::projects, gradient::Projection,
                       std::conditional_t<Recipe::filters, gradient::Outliers, double>>;
template <class Recipe>
using SumsOf = std::conditional_t<Recipe::projects, TensorSums, RowSums>;

/// The gradient of a recipe that projects, as the other transforms get it.
template <Number T>
AGMOHD_HD T projected(const T& g, const T& p, const gradient::Projection& k) {
  using R = Real<T>;
  return R(k.scale) * (g - R(k.along) * p);
}

/// What a row's gradient is multiplied with, or, where the recipe shifts rows, what is subtracted
/// from it. `length`: elements of the row.
template <class Recipe>
AGMOHD_HD double row_value(const typename Recipe::Shared& o, const RowSums& sum,
                           const RowShape& shape, std::int64_t length) {
  if constexpr (Recipe::shifts_rows) {
    return Recipe::row_shift(o, sum.g, length, shape.dims);
  } else {
    return Recipe::row_factor(o, sum.p2, sum.g);
  }
}
/// The same from the pieces of the row.
template <class Recipe>
AGMOHD_HD double row_value(const typename Recipe::Shared& o, const RowSums* of_pieces,
                           const RowShape& shape, std::int64_t length) {
  RowSums sum;
  for (std::int64_t i = 0; i < pieces(length); ++i) {
    sum.p2 += of_pieces[i].p2;
    sum.g += of_pieces[i].g;
  }
  return row_value<Recipe>(o, sum, shape, length);
}

/// A gradient as the other transforms get it, from the value of its row.
template <class Recipe, class T>
AGMOHD_HD T with_row(const T& g, const T& value) {
  if constexpr (Recipe::shifts_rows) {
    return g - value;
  } else {
    return value * g;
  }
}

}  // namespace reduction

}  // namespace agmohd
