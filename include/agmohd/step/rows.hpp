// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "../policy/number.hpp"

// Rows of tensors, for transforms that act on each by itself. What is added of a row, and in which
// order, is part of the algorithm, so that every backend gets the same bits: a row is cut into
// pieces of 4096 elements in memory order; of a piece, lane l of 32 adds squares of the elements l,
// l + 32, ... in double, and the lanes are added as a butterfly at distances 16, 8, 4, 2, 1; pieces
// are added in order.
namespace agmohd {

/// The rows of a tensor that is dense in memory: what one index of its first dimension names. A
/// tensor of fewer than two dimensions is one row.
struct RowShape {
  std::int64_t count = 1;
  std::int64_t stride = 1;  ///< elements from one row to the next
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

/// Sums of squares of a row, or of a piece of it.
struct RowSums {
  double p2 = 0;  ///< of the parameter
  double g2 = 0;  ///< of the gradient
};

/// The factor of a row's gradient, from its pieces.
template <class Recipe>
AGMOHD_HD double row_factor(const typename Recipe::Shared& o, const RowSums* of_pieces,
                            std::int64_t pieces) {
  RowSums sum;
  for (std::int64_t i = 0; i < pieces; ++i) {
    sum.p2 += of_pieces[i].p2;
    sum.g2 += of_pieces[i].g2;
  }
  return Recipe::row_factor(o, sum.p2, sum.g2);
}

}  // namespace reduction

}  // namespace agmohd
