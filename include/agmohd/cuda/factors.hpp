// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

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
  void* scaled;                ///< row averages divided by their mean, of the step
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
  /// Of row averages divided by their mean.
  AGMOHD_HD std::int64_t scaled_bytes(bool f64) const {
    return (matrices * rows * (f64 ? 8 : 4) + 7) / 8 * 8;
  }
};

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
  std::int64_t scaled = 0;  ///< bytes

  template <class Ref>
  void add(const Ref& ref) {
    if (ref.factors.used() && !ref.resting()) add(ref.factors, ref.numel, ref.dtype == Dtype::f64);
  }
  bool fit_launches() const {
    constexpr std::int64_t kMost = (std::int64_t{1} << 31) - 512;  // which launches round up to
    return jobs < kMost && folds < kMost && matrices < kMost;
  }

 private:
  void add(const ResidualRefs& refs, std::int64_t numel, bool f64) {
    add(static_cast<const FactorRefs&>(refs), numel, f64);
    scaled += FactorWork(refs.shape).scaled_bytes(f64);
  }
  void add(const RowSlotRefs& refs, std::int64_t numel, bool) {
    const RowSlotWork work(refs.shape, numel);
    jobs += work.jobs();
    folds += work.folds();
    partials += work.partials();
  }
  void add(const FactorRefs& refs, std::int64_t, bool f64) {
    const FactorWork work(refs.shape);
    jobs += work.jobs();
    folds += work.folds();
    matrices += work.means();
    partials += work.partials();
    scaled += work.scaled_bytes(f64);
  }
};

}  // namespace agmohd::cuda
