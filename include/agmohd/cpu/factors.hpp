// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "../gradient/chain.hpp"
#include "../policy/element.hpp"
#include "../step/factors.hpp"
#include "../step/reduction.hpp"
#include "load_store.hpp"
#include "rows.hpp"

// A factored slot: its value at elements, and how a matrix moves its averages.
namespace agmohd::cpu {

/// The value of a factored slot, for loops that go through the elements of a tensor in order.
template <class R>
struct SlotFactors {
  const R* outer = nullptr;  ///< factors by the outer dimension
  const R* inner = nullptr;
  FactorShape shape{};

  bool used() const { return outer != nullptr; }

  /// Of the elements from `element` on, as many as V has.
  template <class V>
  V at(std::int64_t element) const {
    if constexpr (std::is_floating_point_v<V>) {
      find(element);
      return V(outer_now_[moves_ ? element - begin_ : 0] * inner_now_[element - begin_]);
    } else {
      find(element);
      if (element + V::size <= end_) {
        const V in = load<V>(inner_now_ + (element - begin_));
        return moves_ ? V(load<V>(outer_now_ + (element - begin_)) * in) : V(*outer_now_ * in);
      }
      R of[V::size];
      for (int j = 0; j < V::size; ++j) of[j] = at<R>(element + j);
      return load<V>(static_cast<const R*>(of));
    }
  }

 private:
  // A run is what of memory has neighbours in the factors too: the elements behind, or if there is
  // one, those of the inner dimension.
  void find(std::int64_t element) const {
    if (element >= begin_ && element < end_) return;
    if (element == end_ && end_ > begin_) {
      next();
    } else {
      seek(element);
    }
  }
  bool has_behind() const { return shape.behind > 1; }
  void seek(std::int64_t element) const {
    moves_ = has_behind();
    const std::int64_t run = moves_ ? shape.behind : shape.inner;
    std::int64_t number = element / run;
    begin_ = number * run;
    i_ = 0;
    if (moves_) i_ = number % shape.inner, number /= shape.inner;
    b_ = number % shape.between, number /= shape.between;
    o_ = number % shape.outer;
    a_ = number / shape.outer;
    place();
  }
  void next() const {
    begin_ = end_;
    if (moves_ && ++i_ < shape.inner) return place();
    i_ = 0;
    if (++b_ == shape.between) {
      b_ = 0;
      if (++o_ == shape.outer) o_ = 0, ++a_;
    }
    place();
  }
  void place() const {
    outer_now_ = outer + ((a_ * shape.outer + o_) * shape.between + b_) * shape.behind;
    inner_now_ = inner + ((a_ * shape.between + b_) * shape.inner + i_) * shape.behind;
    end_ = begin_ + (moves_ ? shape.behind : shape.inner);
  }

  mutable std::int64_t begin_ = 0, end_ = 0, a_ = 0, o_ = 0, b_ = 0, i_ = 0;
  mutable const R *outer_now_ = nullptr, *inner_now_ = nullptr;
  mutable bool moves_ = false;
};

/// What a recipe's residuals are made of, beside gradients.
template <class Recipe, class E>
struct ResidualSlots {
  SlotFactors<Compute<E>> factored{};
  const Stored<typename Recipe::Storage, E>* slots[Recipe::slot_count]{};  // null: not used

  /// From the gradients h at `element` on.
  template <class V, class K>
  V of(const V& h, std::int64_t element, const K& k) const {
    typename Recipe::template Slots<V> s{};
    for_each_slot<Recipe::slot_count>(s, [&](int j, V& slot) {
      if (slots[j] != nullptr) slot = load<V>(slots[j] + element);
      if (j == Recipe::Rule::factored) slot = factored.template at<V>(element);
    });
    return Recipe::Rule::residual(h, s, k.rule);
  }
};

/// A tensor's gradient in a pass that squares it, or what a rule makes of it.
template <class Recipe, class E, bool residual = false>
struct SquaredTensor {
  using R = Compute<E>;
  using K = typename Recipe::template Coefficients<R>;
  const E* grad;
  const K& k;
  [[no_unique_address]] std::conditional_t<Recipe::rows, ValuesOf<Recipe>, detail::NoMemory>
      values{};
  [[no_unique_address]] std::conditional_t<residual, ResidualSlots<Recipe, E>, detail::NoFactors>
      slots{};

  /// The transformed gradients from `element` on, as many as V has.
  template <class V>
  V transformed(std::int64_t element) const {
    V g = load<V>(grad + element);
    if constexpr (Recipe::rows) {
      g = with_rows<Recipe, E>(g, values, element);
    }
    const V h = Recipe::seen(g, k, Position{element});
    if constexpr (residual) {
      return slots.of(h, element, k);
    } else {
      return h;
    }
  }

  /// Neighbours in memory, by vectors that begin at multiples of their size, as random numbers are
  /// drawn.
  void load_run(std::int64_t from, int count, R* to) const {
    using V = vec<R>;
    const auto some = [&]<class T>(int i, T) { store(to + i, transformed<T>(from + i)); };
    int i = 0;
    for (; i < count && (from + i) % V::size != 0; ++i) some(i, R{});
    for (; i + V::size <= count; i += V::size) some(i, V{});
    for (; i < count; ++i) some(i, R{});
  }
  /// An average moves on, by its sums, each of a part.
  static void move(R& average, const double* of_parts, std::int64_t parts, std::int64_t step,
                   std::int64_t count, R gain) {
    double sum = of_parts[0];
    for (std::int64_t i = 1; i < parts; ++i) sum += of_parts[i * step];
    average = reduction::averaged(average, sum, count, gain);
  }
};

/// And its factors, in the pass over matrices.
template <class Recipe, class E, bool residual>
struct FactorTensor : SquaredTensor<Recipe, E, residual> {
  using Squared = SquaredTensor<Recipe, E, residual>;
  using Squared::load_run, Squared::move;
  using typename Squared::R;
  R *row, *column;    ///< averages
  R* row_factors;     ///< of this step
  R* column_factors;  ///< the same, of a recipe with inverse_roots
  FactorShape shape;
  using F = FactoringOf<Recipe, R, residual>;

  F factoring() const { return detail::factoring<Recipe, residual>(this->k); }
  static double square(R x, [[maybe_unused]] const F& f) {
    const double square = double(x) * double(x);
    if constexpr (adds_to_squares<F>) {
      return square + double(f.added);
    } else {
      return square;
    }
  }
  R transformed(std::int64_t element) const { return Squared::template transformed<R>(element); }

  /// The gradients of a tile, transformed, row by row to x[kTileRows][kTileColumns], as memory has
  /// them in its order.
  void load_tile(const FactorMatrix& m, std::int64_t r0, std::int64_t c0, int rows, int columns,
                 R* x) const {
    if (m.column == 1 || m.column < m.row) {
      for (int r = 0; r < rows; ++r) {
        R* const to = x + r * reduction::kTileColumns;
        const std::int64_t from = m.element(r0 + r, c0);
        if (m.column == 1) {
          load_run(from, columns, to);
        } else {
          for (int c = 0; c < columns; ++c) to[c] = transformed(from + c * m.column);
        }
      }
    } else {
      R run[reduction::kTileRows];
      for (int c = 0; c < columns; ++c) {
        const std::int64_t from = m.element(r0, c0 + c);
        if (m.row == 1) {
          load_run(from, rows, run);
        } else {
          for (int r = 0; r < rows; ++r) run[r] = transformed(from + r * m.row);
        }
        for (int r = 0; r < rows; ++r) x[r * reduction::kTileColumns + c] = run[r];
      }
    }
  }

  /// What a tile contributes: of_rows[rows], of_columns[columns].
  static void sum_tile(const R* x, int rows, int columns, double* of_rows, double* of_columns,
                       [[maybe_unused]] const F& f) {
    using namespace reduction;
    static_assert(kTileColumns == 4 * kWarp);
    std::fill_n(of_columns, columns, 0.0);
    for (int r = 0; r < rows; ++r, x += kTileColumns) {
      double squares[kTileColumns], lanes[kWarp];
      for (int c = 0; c < columns; ++c) {
        squares[c] = square(x[c], f);
        of_columns[c] += squares[c];
      }
      if (columns == kTileColumns) {
        for (int l = 0; l < kWarp; ++l) {
          lanes[l] =
              ((squares[l] + squares[l + kWarp]) + squares[l + 2 * kWarp]) + squares[l + 3 * kWarp];
        }
        of_rows[r] = fold<kWarp / 2>(lanes);
      } else {
        const int count = std::min(columns, kWarp);
        std::copy_n(squares, count, lanes);
        for (int c = kWarp; c < columns; ++c) lanes[c % kWarp] += squares[c];
        of_rows[r] = fold(lanes, count);
      }
    }
  }

  /// Moves the column average at `at` on.
  void move_column(std::int64_t at, const double* of_parts, std::int64_t parts, std::int64_t step,
                   std::int64_t count, const F& f) const {
    move(column[at], of_parts, parts, step, count, f.gain);
    if constexpr (Recipe::inverse_roots) {
      column_factors[at] = reduction::inverse_root(column[at], f.least);
    }
  }
  /// The row factors of a matrix.
  void scale(const FactorMatrix& m, R least) const {
    const std::int64_t rows = shape.rows();
    const double sum = reduction::dealt(rows, reduction::tensor_lanes(rows), [&](std::int64_t r) {
      return double(row[m.row_at + r * m.row_by]);
    });
    const R by = reduction::divisor(sum, rows, least);
    for (std::int64_t r = 0; r < rows; ++r) {
      const std::int64_t at = m.row_at + r * m.row_by;
      row_factors[at] = reduction::row_factor<Recipe>(row[at], by, least);
    }
  }
  /// All of matrices that are one element each: their numbers are those of the elements.
  void move_single(std::int64_t first, std::int64_t end, const F& f) const {
    for (std::int64_t i = first; i < end; ++i) {
      const double own = square(transformed(i), f);
      move(row[i], &own, 1, 0, 1, f.gain);
      move_column(i, &own, 1, 0, 1, f);
      const R by = reduction::divisor(double(row[i]), 1, f.least);
      row_factors[i] = reduction::row_factor<Recipe>(row[i], by, f.least);
    }
  }
  /// All of a matrix that is one tile.
  void move_small(std::int64_t number, const F& f) const {
    using namespace reduction;
    const FactorMatrix m(shape, number);
    const int rows = int(shape.rows()), columns = int(shape.columns());
    R x[kTileRows * kTileColumns];
    double of_rows[kTileRows], of_columns[kTileColumns];
    load_tile(m, 0, 0, rows, columns, x);
    sum_tile(x, rows, columns, of_rows, of_columns, f);
    for (int r = 0; r < rows; ++r) {
      move(row[m.row_at + r * m.row_by], of_rows + r, 1, 0, columns, f.gain);
    }
    for (int c = 0; c < columns; ++c) {
      move_column(m.column_at + c * m.column_by, of_columns + c, 1, 0, rows, f);
    }
    scale(m, f.least);
  }
};

}  // namespace agmohd::cpu
