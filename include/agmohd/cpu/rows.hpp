// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "../policy/element.hpp"
#include "../step/executor.hpp"
#include "../step/reduction.hpp"
#include "../step/rows.hpp"
#include "load_store.hpp"
#include "parallel.hpp"

// The factors of rows, for recipes with a transform by rows.
namespace agmohd::cpu {

/// Those of one tensor.
struct RowFactors {
  const double* factors;
  RowShape shape;

  /// Of the elements from `element` on, as many as V has.
  template <class V>
  V at(std::int64_t element) const {
    if constexpr (std::is_floating_point_v<V>) {
      return V(factors[shape.of(element)]);
    } else {
      using R = Real<V>;
      R of[V::size];
      const std::int64_t first = shape.of(element);
      // With a stride of a vector or more, the last element is in this row or in the next one.
      if (shape.stride >= V::size && shape.of(element + V::size - 1) == first) {
        std::fill(of, of + V::size, R(factors[first]));
      } else {
        for (int j = 0; j < V::size; ++j) of[j] = R(factors[shape.of(element + j)]);
      }
      return load<V>(static_cast<const R*>(of));
    }
  }
};

/// What a piece of a row contributes, in the order of step/rows.hpp.
template <class E>
reduction::RowSums sum_piece(const E* param, const E* grad, const RowShape& shape,
                             std::int64_t length, std::int64_t row, std::int64_t first) {
  using namespace reduction;
  const std::int64_t end = std::min(length, first + kPiece);
  double lanes[2][kPieceLanes] = {};
  const auto add = [&](int l, std::int64_t i) __attribute__((always_inline)) {
    const double p = double(load<Compute<E>>(param + i)), g = double(load<Compute<E>>(grad + i));
    lanes[0][l] += p * p;
    lanes[1][l] += g * g;
  };
  std::int64_t k = first;
  if (shape.stride == length) {  // neighbours: vectors
    const std::int64_t begin = row * length;
    for (; k + kPieceLanes <= end; k += kPieceLanes) {
      for (int l = 0; l < kPieceLanes; ++l) add(l, begin + k + l);
    }
  }
  for (; k < end; k += kPieceLanes) {
    const int left = int(std::min<std::int64_t>(kPieceLanes, end - k));
    for (int l = 0; l < left; ++l) add(l, shape.element(length, row, k + l));
  }
  return {fold<kPieceLanes / 2>(lanes[0]), fold<kPieceLanes / 2>(lanes[1])};
}

/// Measures the rows of all tensors of a step and makes their factors.
template <class Recipe>
class RowPass {
 public:
  void bind(const std::vector<TensorRef<Recipe>>& tensors) {
    first_row_.assign(1, 0);
    first_piece_.assign(1, 0);
    std::int64_t elements = 0;
    for (const auto& t : tensors) {
      if (!t.resting()) elements += t.numel;
      const std::int64_t rows = t.resting() || t.numel == 0 ? 0 : t.rows.count;
      first_row_.push_back(first_row_.back() + rows);
      first_piece_.push_back(first_piece_.back() + rows * pieces_of(t));
    }
    thread_pieces_ =
        first_piece_.back() * kThreadElements / std::max<std::int64_t>(elements, 1) + 1;
    sums_.resize(std::size_t(first_piece_.back()));
    factors_.resize(std::size_t(first_row_.back()));
  }

  void measure(const std::vector<TensorRef<Recipe>>& tensors,
               const typename Recipe::Shared& shared) {
    parallel_ranges(
        first_piece_.back(),
        [&](std::int64_t begin, std::int64_t end) {
          auto t = std::size_t(std::upper_bound(first_piece_.begin(), first_piece_.end(), begin) -
                               first_piece_.begin() - 1);
          for (std::int64_t piece = begin; piece < end; ++piece) {
            while (piece >= first_piece_[t + 1]) ++t;
            sums_[std::size_t(piece)] = sum(tensors[t], piece - first_piece_[t]);
          }
        },
        thread_pieces_);
    for (std::size_t t = 0; t < tensors.size(); ++t) {
      const std::int64_t pieces = pieces_of(tensors[t]);
      for (std::int64_t row = first_row_[t]; row < first_row_[t + 1]; ++row) {
        const std::int64_t first = first_piece_[t] + (row - first_row_[t]) * pieces;
        factors_[std::size_t(row)] =
            reduction::row_factor<Recipe>(shared, sums_.data() + first, pieces);
      }
    }
  }

  RowFactors of(std::size_t tensor, const RowShape& shape) const {
    return {factors_.data() + first_row_[tensor], shape};
  }

 private:
  /// So many elements are worth a thread more.
  static constexpr std::int64_t kThreadElements = 32768;

  static std::int64_t pieces_of(const TensorRef<Recipe>& t) {
    return reduction::pieces(t.numel / t.rows.count);
  }
  static reduction::RowSums sum(const TensorRef<Recipe>& t, std::int64_t piece) {
    const std::int64_t pieces = pieces_of(t), length = t.numel / t.rows.count;
    const std::int64_t row = piece / pieces, first = piece % pieces * reduction::kPiece;
    const auto of = [&]<class E>(E) {
      return sum_piece(static_cast<const E*>(t.param), static_cast<const E*>(t.grad), t.rows,
                       length, row, first);
    };
    return with_element(t.dtype, of);
  }

  std::int64_t thread_pieces_ = 1;                     // that hold so many, on average
  std::vector<std::int64_t> first_row_, first_piece_;  // of each tensor, and the end
  std::vector<reduction::RowSums> sums_;               // of pieces
  std::vector<double> factors_;                        // of rows
};

}  // namespace agmohd::cpu
