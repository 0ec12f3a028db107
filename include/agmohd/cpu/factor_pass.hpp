// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "../step/executor.hpp"
#include "../step/factors.hpp"
#include "factors.hpp"
#include "parallel.hpp"

namespace agmohd::cpu {

/// Moves the factors of all tensors of a step on, or those of residuals, between its decision and
/// its sweep.
template <class Recipe, bool residual = false>
class FactorPass {
  using Tensors = std::vector<TensorRef<Recipe>>;
  template <class R>
  using K = typename Recipe::template Coefficients<R>;

 public:
  void bind(const Tensors& tensors) {
    places_.assign(1, {});
    elements_ = 0;
    for (const auto& t : tensors) {
      Place next = places_.back();
      if (t.factors.used() && !t.resting() && t.numel > 0) {
        elements_ += t.numel;
        const FactorShape& s = t.factors.shape;
        const std::int64_t matrices = s.matrices();
        next.factor += (s.rows() + (Recipe::inverse_roots ? s.columns() : 0)) * matrices;
        if (small(s)) {
          next.tile += (matrices + batch(s) - 1) / batch(s);
        } else {
          const reduction::Tiles tiles(s);
          next.tile += tiles.count() * matrices;
          next.block += (blocks(s.rows()) + blocks(s.columns())) * matrices;
          next.matrix += matrices;
          next.partial += sums_of(s) * matrices;
        }
      }
      places_.push_back(next);
    }
    partials_.resize(std::size_t(places_.back().partial));
    factors_.resize(std::size_t(places_.back().factor));
    factors64_.resize(std::any_of(tensors.begin(), tensors.end(),
                                  [](const auto& t) { return t.dtype == Dtype::f64; })
                          ? factors_.size()
                          : 0);
  }

  /// `rows`: the factors of gradients' rows, where the recipe has them. `first`: of residuals, what
  /// moved the other factors.
  template <class Rows, class First = detail::NoFactors>
  void run(const Tensors& tensors, const Rows& rows, const std::vector<K<float>>& k,
           const std::vector<K<double>>& k64, const First& first = {}) {
    const auto each = [&](std::int64_t Place::*member, std::int64_t elements, const auto& work) {
      const auto on_range = [&](std::int64_t begin, std::int64_t end) {
        auto t = std::size_t(std::upper_bound(places_.begin(), places_.end(), begin,
                                              [&](std::int64_t number, const Place& place) {
                                                return number < place.*member;
                                              }) -
                             places_.begin() - 1);
        for (std::int64_t i = begin; i < end; ++i) {
          while (i >= places_[t + 1].*member) ++t;
          with_tensor(tensors[t], t, rows, first, k, k64,
                      [&](const auto& x) { work(x, t, i - places_[t].*member); });
        }
      };
      const std::int64_t count = places_.back().*member;
      parallel_ranges(count, on_range, worth_a_thread(count, elements));
    };
    each(&Place::tile, elements_,
         [&](const auto& x, std::size_t t, std::int64_t i) { tile(x, t, i); });
    each(&Place::block, places_.back().partial,
         [&](const auto& x, std::size_t t, std::int64_t i) { fold(x, t, i); });
    each(&Place::matrix, places_.back().factor, [&](const auto& x, std::size_t, std::int64_t i) {
      x.scale(FactorMatrix(x.shape, i), x.factoring().least);
    });
  }

  template <class R>
  SlotFactors<R> of(std::size_t tensor, const AverageRefs<Recipe>& refs) const {
    if (!refs.used()) return {};
    const R* const rows = rows_of<R>(*this, tensor);
    const R* const columns = Recipe::inverse_roots ? columns_of(rows, refs.shape)
                                                   : static_cast<const R*>(column_of(refs));
    SlotFactors<R> out;
    out.outer = refs.shape.rows_outer ? rows : columns;
    out.inner = refs.shape.rows_outer ? columns : rows;
    out.shape = refs.shape;
    return out;
  }

 private:
  /// The first of what a tensor has in each list.
  struct Place {
    std::int64_t tile = 0;     ///< tiles, or batches of matrices that are one tile each
    std::int64_t block = 0;    ///< of rows or columns that are added
    std::int64_t matrix = 0;   ///< matrices of several tiles
    std::int64_t partial = 0;  ///< sums of their rows and columns in tiles
    std::int64_t factor = 0;   ///< factors of rows, and behind them those of columns
  };
  static constexpr std::int64_t kBlock = 256;  ///< rows or columns
  static std::int64_t blocks(std::int64_t count) { return (count + kBlock - 1) / kBlock; }
  static bool small(const FactorShape& s) { return reduction::Tiles(s).count() == 1; }
  static constexpr std::int64_t kSingles = 4096;  ///< matrices of one element at a time
  /// So many small matrices are worked on at a time.
  static std::int64_t batch(const FactorShape& s) {
    return std::max<std::int64_t>(1, kSingles / (s.rows() * s.columns()));
  }
  /// Sums of a matrix: for each column of tiles one of each row, for each row of tiles one of each
  /// column.
  static std::int64_t sums_of(const FactorShape& s) {
    const reduction::Tiles tiles(s);
    return tiles.across * s.rows() + tiles.down * s.columns();
  }
  /// The factors of a tensor's rows, and of its columns, where they are not the averages.
  template <class R, class Pass>
  static auto* rows_of(Pass& pass, std::size_t t) {
    if constexpr (std::is_same_v<R, double>) {
      return pass.factors64_.data() + pass.places_[t].factor;
    } else {
      return pass.factors_.data() + pass.places_[t].factor;
    }
  }
  template <class R>
  static R* columns_of(R* rows, const FactorShape& s) {
    return rows + s.rows() * s.matrices();
  }

  static void* row_of(const AverageRefs<Recipe>& refs) {
    if constexpr (residual) {
      return refs.residual_row;
    } else {
      return refs.row;
    }
  }
  static void* column_of(const AverageRefs<Recipe>& refs) {
    if constexpr (residual) {
      return refs.residual_column;
    } else {
      return refs.column;
    }
  }
  template <class Rows, class First, class F>
  void with_tensor(const TensorRef<Recipe>& ref, std::size_t t, [[maybe_unused]] const Rows& rows,
                   [[maybe_unused]] const First& first, const std::vector<K<float>>& k,
                   const std::vector<K<double>>& k64, const F& f) {
    const auto of = [&]<class E>(E) {
      using R = Compute<E>;
      const auto& own = [&]() -> auto& {
        if constexpr (std::is_same_v<R, double>) {
          return k64[t];
        } else {
          return k[t];
        }
      }
      ();
      FactorTensor<Recipe, E, residual> x{{static_cast<const E*>(ref.grad), own},
                                          static_cast<R*>(row_of(ref.factors)),
                                          static_cast<R*>(column_of(ref.factors)),
                                          rows_of<R>(*this, t),
                                          columns_of(rows_of<R>(*this, t), ref.factors.shape),
                                          ref.factors.shape};
      if constexpr (residual) {
        x.slots.factored = first.template of<R>(t, ref.factors);
        for (int j = 0; j < Recipe::slot_count; ++j) {
          x.slots.slots[j] = static_cast<const Stored<typename Recipe::Storage, E>*>(ref.slots[j]);
        }
      }
      if constexpr (Recipe::rows) x.values = rows.of(t, ref);
      f(x);
    };
    with_element(ref.dtype, of);
  }

  template <class X>
  void tile(const X& x, std::size_t t, std::int64_t number) {
    using namespace reduction;
    using R = typename X::R;
    const FactorShape& s = x.shape;
    if (small(s)) {
      const auto f = x.factoring();
      const std::int64_t size = batch(s), end = std::min(s.matrices(), (number + 1) * size);
      if (size == kSingles) return x.move_single(number * size, end, f);
      for (std::int64_t m = number * size; m < end; ++m) x.move_small(m, f);
      return;
    }
    const Tiles tiles(s);
    const std::int64_t matrix = number / tiles.count(), own = number % tiles.count();
    const std::int64_t down = own / tiles.across, across = own % tiles.across;
    const std::int64_t r0 = down * kTileRows, c0 = across * kTileColumns;
    const int rows = int(std::min<std::int64_t>(kTileRows, s.rows() - r0));
    const int columns = int(std::min<std::int64_t>(kTileColumns, s.columns() - c0));
    R values[kTileRows * kTileColumns];
    x.load_tile(FactorMatrix(s, matrix), r0, c0, rows, columns, values);
    double* const to = partials_.data() + places_[t].partial + matrix * sums_of(s);
    x.sum_tile(values, rows, columns, to + across * s.rows() + r0,
               to + tiles.across * s.rows() + down * s.columns() + c0, x.factoring());
  }

  template <class X>
  void fold(const X& x, std::size_t t, std::int64_t number) const {
    const FactorShape& s = x.shape;
    const reduction::Tiles tiles(s);
    const std::int64_t of_rows = blocks(s.rows()), each = of_rows + blocks(s.columns());
    const std::int64_t matrix = number / each, own = number % each;
    const FactorMatrix m(s, matrix);
    const double* const from = partials_.data() + places_[t].partial + matrix * sums_of(s);
    const auto f = x.factoring();
    if (own < of_rows) {
      const std::int64_t end = std::min(s.rows(), (own + 1) * kBlock);
      for (std::int64_t r = own * kBlock; r < end; ++r) {
        x.move(x.row[m.row_at + r * m.row_by], from + r, tiles.across, s.rows(), s.columns(),
               f.gain);
      }
    } else {
      const std::int64_t first = (own - of_rows) * kBlock,
                         end = std::min(s.columns(), first + kBlock);
      for (std::int64_t c = first; c < end; ++c) {
        x.move_column(m.column_at + c * m.column_by, from + tiles.across * s.rows() + c, tiles.down,
                      s.columns(), s.rows(), f);
      }
    }
  }

  std::vector<Place> places_;  // of each tensor, and the end
  std::int64_t elements_ = 0;
  std::vector<double> partials_;
  std::vector<float> factors_;
  std::vector<double> factors64_;
};

}  // namespace agmohd::cpu
