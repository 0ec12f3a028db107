// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <type_traits>

#include "../policy/element.hpp"
#include "../step/factors.hpp"
#include "../step/reduction.hpp"
#include "../step/row_slot.hpp"

// What both sides know of the pass that moves factors, see step/factors.hpp, or a slot by rows, see
// step/row_slot.hpp.
namespace agmohd::cuda {

/// The factors of a tensor, and its first of each kind of work among those of all.
template <class Refs>
struct TensorFactors {
  Refs factors;
  void* scaled;                ///< what step_factors() finds
  std::int64_t first_partial;  ///< of the sums of tiles
  int first_job, first_fold, first_matrix;
};
/// What is known of all of them.
struct AllFactors {
  double* factor_partials;
  int factor_jobs, factor_folds, factor_matrices;
};

/// The work that the matrices of a tensor are. A tile is a warp's job. Matrices of one tile are
/// done with it, 32 of them by one warp if they are very small.
struct FactorWork {
  static constexpr int kVerySmall = 8;  ///< rows, and columns
  std::int64_t matrices, rows, columns;
  reduction::Tiles tiles;

  AGMOHD_HD explicit FactorWork(const FactorShape& s)
      : matrices(s.matrices()), rows(s.rows()), columns(s.columns()), tiles(s) {}
  AGMOHD_HD bool very_small() const { return rows <= kVerySmall && columns <= kVerySmall; }
  AGMOHD_HD bool small() const { return tiles.count() == 1; }
  AGMOHD_HD std::int64_t jobs() const {
    return very_small() ? (matrices + reduction::kWarp - 1) / reduction::kWarp
                        : matrices * tiles.count();
  }
  /// Rows and columns of one matrix that are added over tiles; of all.
  AGMOHD_HD std::int64_t folds_each() const { return small() ? 0 : rows + columns; }
  AGMOHD_HD std::int64_t folds() const { return matrices * folds_each(); }
  /// Matrices whose mean is still to be made.
  AGMOHD_HD std::int64_t means() const { return small() ? 0 : matrices; }
  /// Sums of one matrix: for each column of tiles one of each row, behind them for each row of
  /// tiles one of each column.
  AGMOHD_HD std::int64_t partials_each() const {
    return small() ? 0 : tiles.across * rows + tiles.down * columns;
  }
  AGMOHD_HD std::int64_t partials() const { return matrices * partials_each(); }
  /// Of the factors of rows, and of a slot in all: with inverse roots those of columns lie behind.
  AGMOHD_HD std::int64_t row_bytes(bool f64) const { return aligned(matrices * rows, f64); }
  AGMOHD_HD std::int64_t scaled_bytes(bool f64, bool inverse_roots) const {
    return row_bytes(f64) + (inverse_roots ? aligned(matrices * columns, f64) : 0);
  }

 private:
  AGMOHD_HD static std::int64_t aligned(std::int64_t count, bool f64) {
    return (count * (f64 ? 8 : 4) + 15) / 16 * 16;
  }
};

/// The factors of a slot's value in a step, in the order of the averages.
template <class R>
struct StepFactors {
  R *rows, *columns;
};
/// Those of a tensor that has factors, or of its residuals.
template <class Recipe, class R, bool residual, class Tensor>
AGMOHD_HD StepFactors<R> step_factors(const Tensor& tensor) {
  constexpr bool f64 = std::is_same_v<R, double>;
  const FactorWork work(tensor.factors.shape);
  char* at = static_cast<char*>(tensor.scaled);
  void* columns = tensor.factors.column;
  if constexpr (residual) {
    at += work.scaled_bytes(f64, Recipe::inverse_roots);
    columns = tensor.factors.residual_column;
  }
  if constexpr (Recipe::inverse_roots) columns = at + work.row_bytes(f64);
  return {reinterpret_cast<R*>(at), static_cast<R*>(columns)};
}

/// The work that the rows of a tensor are. A piece of a row is a warp's job; rows of one piece are
/// done with it.
struct RowSlotWork {
  std::int64_t rows, length, pieces;

  AGMOHD_HD RowSlotWork(const RowShape& s, std::int64_t numel)
      : rows(s.count), length(numel / s.count), pieces(reduction::pieces(length)) {}
  AGMOHD_HD std::int64_t jobs() const { return rows * pieces; }
  AGMOHD_HD std::int64_t folds() const { return pieces > 1 ? rows : 0; }
  AGMOHD_HD std::int64_t partials() const { return pieces > 1 ? rows * pieces : 0; }
};

/// The work of several tensors.
struct FactorTotals {
  std::int64_t jobs = 0, folds = 0, matrices = 0, partials = 0;
  std::int64_t scaled = 0;   ///< bytes
  std::int64_t longest = 0;  ///< dimension of FactorShape

  template <template <class> class Ref, class Recipe>
  void add(const Ref<Recipe>& ref) {
    if (!ref.factors.used() || ref.resting()) return;
    if constexpr (Recipe::by_rows) {
      add_work(RowSlotWork(ref.factors.shape, ref.numel));
    } else {
      const FactorShape& s = ref.factors.shape;
      const FactorWork work(s);
      add_work(work);
      matrices += work.means();
      scaled += (Recipe::residual ? 2 : 1) *
                work.scaled_bytes(ref.dtype == Dtype::f64, Recipe::inverse_roots);
      for (const std::int64_t size : {s.outer, s.between, s.inner, s.behind}) {
        if (size > longest) longest = size;
      }
    }
  }
  bool fit_launches() const {
    constexpr std::int64_t kMost = (std::int64_t{1} << 31) - 512;  // which launches round up to
    return jobs < kMost && folds < kMost && matrices < kMost;
  }
  /// Whether kernels can count places in a dimension with 32 bits, a chunk beyond its end too.
  bool fit_places() const { return longest < (std::int64_t{1} << 32) - reduction::kChunk; }

 private:
  template <class Work>
  void add_work(const Work& work) {
    jobs += work.jobs();
    folds += work.folds();
    partials += work.partials();
  }
};

}  // namespace agmohd::cuda
