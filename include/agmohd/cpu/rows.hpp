// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>
#include <type_traits>
#include <vector>

#include "../policy/element.hpp"
#include "../step/executor.hpp"
#include "../step/medians.hpp"
#include "../step/reduction.hpp"
#include "../step/rows.hpp"
#include "load_store.hpp"
#include "parallel.hpp"

// The values of rows, their factors or shifts, for recipes with a transform by rows.
namespace agmohd::cpu {

/// Those of one tensor.
struct RowValues {
  const double* values;
  RowShape shape;

  /// Of the elements from `element` on, as many as V has.
  template <class V>
  V at(std::int64_t element) const {
    if constexpr (std::is_floating_point_v<V>) {
      return V(values[shape.of(element)]);
    } else {
      using R = Real<V>;
      R of[V::size];
      const std::int64_t first = shape.of(element);
      // With a stride of a vector or more, the last element is in this row or in the next one.
      if (shape.stride >= V::size && shape.of(element + V::size - 1) == first) {
        std::fill(of, of + V::size, R(values[first]));
      } else {
        for (int j = 0; j < V::size; ++j) of[j] = R(values[shape.of(element + j)]);
      }
      return load<V>(static_cast<const R*>(of));
    }
  }
};

/// What one tensor's gradients are projected with.
struct Projected {
  const gradient::Projection* by;
  const void* param;
};
/// What its outliers are.
struct Filtered {
  const gradient::Outliers* by;
};
template <class Recipe>
using ValuesOf = std::conditional_t<Recipe::projects, Projected,
                                    std::conditional_t<Recipe::filters, Filtered, RowValues>>;

/// The gradients from `element` of a tensor on, as many as V has, with the values of their rows. E:
/// the element type of the parameter.
template <class Recipe, class E, class V>
V with_rows(const V& g, const ValuesOf<Recipe>& values, std::int64_t element) {
  if constexpr (Recipe::projects) {
    return reduction::projected(g, load<V>(static_cast<const E*>(values.param) + element),
                                *values.by);
  } else if constexpr (Recipe::filters) {
    return reduction::filtered(g, *values.by);
  } else {
    return reduction::with_row<Recipe>(g, values.template at<V>(element));
  }
}

/// What a piece of a tensor contributes where the recipe projects.
template <class E>
reduction::TensorSums sum_piece(const E* param, const E* grad, std::int64_t length,
                                std::int64_t first) {
  using namespace reduction;
  const std::int64_t end = std::min(length, first + kPiece);
  double lanes[3][kPieceLanes] = {};
  const auto add = [&](int l, std::int64_t i) __attribute__((always_inline)) {
    const double p = double(load<Compute<E>>(param + i));
    const double g = double(load<Compute<E>>(grad + i));
    lanes[0][l] += p * p;
    lanes[1][l] += p * g;
    lanes[2][l] += g * g;
  };
  std::int64_t k = first;
  for (; k + kPieceLanes <= end; k += kPieceLanes) {  // vectors
    for (int l = 0; l < kPieceLanes; ++l) add(l, k + l);
  }
  for (int l = 0; k + l < end; ++l) add(l, k + l);
  return {fold<kPieceLanes / 2>(lanes[0]), fold<kPieceLanes / 2>(lanes[1]),
          fold<kPieceLanes / 2>(lanes[2])};
}

/// What a piece of a row contributes, in the order of step/rows.hpp.
template <class Recipe, class E>
reduction::RowSums sum_piece(const E* param, const E* grad, const RowShape& shape,
                             std::int64_t length, std::int64_t row, std::int64_t first) {
  using namespace reduction;
  const std::int64_t end = std::min(length, first + kPiece);
  double lanes[2][kPieceLanes] = {};
  const auto add = [&](int l, std::int64_t i) __attribute__((always_inline)) {
    const double g = double(load<Compute<E>>(grad + i));
    if constexpr (Recipe::shifts_rows) {
      lanes[1][l] += g;
    } else {
      const double p = double(load<Compute<E>>(param + i));
      lanes[0][l] += p * p;
      lanes[1][l] += g * g;
    }
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

/// Measures the rows of all tensors of a step and makes their values.
template <class Recipe>
class RowPass {
  using Sums = reduction::SumsOf<Recipe>;

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
    thread_pieces_ = worth_a_thread(first_piece_.back(), elements);
    sums_.resize(std::size_t(first_piece_.back()));
    values_.resize(std::size_t(first_row_.back()));
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
      const RowShape& shape = tensors[t].rows;
      const std::int64_t pieces = pieces_of(tensors[t]), length = tensors[t].numel / shape.count;
      for (std::int64_t row = first_row_[t]; row < first_row_[t + 1]; ++row) {
        const std::int64_t first = first_piece_[t] + (row - first_row_[t]) * pieces;
        if constexpr (Recipe::projects) {
          values_[std::size_t(row)] = projection(shared, sums_.data() + first, pieces);
        } else {
          values_[std::size_t(row)] =
              reduction::row_value<Recipe>(shared, sums_.data() + first, shape, length);
        }
      }
    }
  }

  ValuesOf<Recipe> of(std::size_t tensor, const TensorRef<Recipe>& ref) const {
    const auto* const values = values_.data() + first_row_[tensor];
    if constexpr (Recipe::projects) {
      return {values, ref.param};
    } else {
      return {values, ref.rows};
    }
  }

 private:
  static std::int64_t pieces_of(const TensorRef<Recipe>& t) {
    return reduction::pieces(t.numel / t.rows.count);
  }
  static gradient::Projection projection(const typename Recipe::Shared& shared,
                                         const reduction::TensorSums* sums, std::int64_t pieces) {
    const auto total = [&](double reduction::TensorSums::*of) {
      return reduction::dealt(pieces, reduction::tensor_lanes(pieces),
                              [&](std::int64_t i) { return sums[i].*of; });
    };
    using Sums = reduction::TensorSums;
    return Recipe::projection(shared, total(&Sums::p2), total(&Sums::pg), total(&Sums::g2));
  }
  static Sums sum(const TensorRef<Recipe>& t, std::int64_t piece) {
    const std::int64_t pieces = pieces_of(t), length = t.numel / t.rows.count;
    const std::int64_t row = piece / pieces, first = piece % pieces * reduction::kPiece;
    const auto of = [&]<class E>(E) {
      const auto* const param = static_cast<const E*>(t.param);
      const auto* const grad = static_cast<const E*>(t.grad);
      if constexpr (Recipe::projects) {
        return sum_piece(param, grad, length, first);
      } else {
        return sum_piece<Recipe>(param, grad, t.rows, length, row, first);
      }
    };
    return with_element(t.dtype, of);
  }

  std::int64_t thread_pieces_ = 1;                     // that hold so many, on average
  std::vector<std::int64_t> first_row_, first_piece_;  // of each tensor, and the end
  std::vector<Sums> sums_;                             // of pieces
  std::vector<reduction::ValueOfRow<Recipe>> values_;  // of rows
};

}  // namespace agmohd::cpu
