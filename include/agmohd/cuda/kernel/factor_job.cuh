// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "../../step/factors.hpp"
#include "../factors.hpp"
#include "../view.hpp"
#include "number.cuh"
#include "pack.cuh"
#include "square_job.cuh"
#include "sums.cuh"

namespace agmohd::cuda {

/// A tensor in that pass, or in the one that moves the factors of residuals.
template <class Recipe, class E, bool residual>
struct FactorJobOf : SquareJob<Recipe, E> {
  using Job = SquareJob<Recipe, E>;
  using Job::k, Job::tensor, Job::view;
  using typename Job::R, typename Job::T;
  static constexpr int kWarp = reduction::kWarp;
  static constexpr int kLaneColumns = reduction::kTileColumns / kWarp;
  using Lane = pack<R, kLaneColumns>;
  static constexpr int kBatch = 16 / int(sizeof(R));  // rows whose loads are under way together

  R *row, *column;      // averages
  StepFactors<R> made;  // of them, for the step
  FactorWork work;
  FactoringOf<Recipe, R, residual> f;

  __device__ FactorJobOf(const View<Recipe>& all, int t)
      : Job(all, t),
        row(static_cast<R*>(tensor.factors.row)),
        column(static_cast<R*>(tensor.factors.column)),
        made(step_factors<Recipe, R, residual>(tensor)),
        work(tensor.factors.shape),
        f(detail::factoring<Recipe, residual>(k)) {
    if constexpr (residual) {
      row = static_cast<R*>(tensor.factors.residual_row);
      column = static_cast<R*>(tensor.factors.residual_column);
    }
  }

  __device__ double squared(R x) const {
    const double square = __dmul_rn(double(x), double(x));
    if constexpr (adds_to_squares<decltype(f)>) {
      return __dadd_rn(square, double(f.added));
    } else {
      return square;
    }
  }
  /// Of the element in row r and column c of a matrix. `of`: the factors of the slot that a
  /// residual is made with.
  __device__ double square(const FactorMatrix& m, std::int64_t r, std::int64_t c,
                           [[maybe_unused]] const StepFactors<R>& of) const {
    const std::int64_t element = m.element(r, c);
    T x = Job::seen(element);
    if constexpr (residual) {
      const T factored =
          T{of.rows[m.row_at + r * m.row_by]} * T{of.columns[m.column_at + c * m.column_by]};
      const auto slots = Job::slots(factored, [&](const auto* from) {
        return T{from == nullptr ? R(0) : R(widen(from[element]))};
      });
      x = Recipe::Rule::residual(x, slots, k.rule);
    }
    return squared(x.v);
  }
  /// Moves an average on, and makes the step's factor of it: of a row once its matrix's mean is
  /// known.
  __device__ R move_row(std::int64_t at, double sum) const {
    return row[at] = reduction::averaged(T{row[at]}, sum, work.columns, f.gain).v;
  }
  __device__ void make_row(std::int64_t at, R average, R by) const {
    made.rows[at] = reduction::row_factor<Recipe>(T{average}, by, f.least).v;
  }
  __device__ void move_column(std::int64_t at, double sum) const {
    const T average = reduction::averaged(T{column[at]}, sum, work.rows, f.gain);
    column[at] = average.v;
    if constexpr (Recipe::inverse_roots) {
      made.columns[at] = reduction::inverse_root(average, f.least).v;
    }
  }

  /// Matrix number `number`, which has 8 rows and columns at most, by one thread.
  __device__ void very_small(std::int64_t number) const {
    constexpr int kMost = FactorWork::kVerySmall;
    if (number >= work.matrices) return;
    const FactorMatrix m(tensor.factors.shape, number);
    const int rows = int(work.rows), columns = int(work.columns);
    const auto of = step_factors<Recipe, R, false>(tensor);
    R averages[kMost];
    double of_columns[kMost] = {}, of_rows[kMost] = {};
#pragma unroll
    for (int r = 0; r < kMost; ++r) {
      if (r >= rows) continue;
      double x[kMost];
#pragma unroll
      for (int c = 0; c < kMost; ++c) {
        x[c] = c < columns ? square(m, r, c, of) : 0;
        of_columns[c] = __dadd_rn(of_columns[c], x[c]);
      }
      averages[r] = move_row(m.row_at + r * m.row_by, fold_eight(x));
      of_rows[r] = double(averages[r]);
    }
#pragma unroll
    for (int c = 0; c < kMost; ++c) {
      if (c < columns) move_column(m.column_at + c * m.column_by, of_columns[c]);
    }
    const R by = reduction::divisor(fold_eight(of_rows), rows, f.least);
#pragma unroll
    for (int r = 0; r < kMost; ++r) {
      if (r < rows) make_row(m.row_at + r * m.row_by, averages[r], by);
    }
  }
  __device__ static double fold_eight(double (&x)[FactorWork::kVerySmall]) {
#pragma unroll
    for (int d = FactorWork::kVerySmall / 2; d > 0; d /= 2) {
#pragma unroll
      for (int i = 0; i < d; ++i) x[i] = __dadd_rn(x[i], x[i + d]);
    }
    return x[0];
  }

  /// A tile by one warp. A lane adds its columns, and gets the sums of the rows lane and lane + 32.
  __device__ void tile(std::int64_t number) const {
    using namespace reduction;
    const std::int64_t matrix = number / work.tiles.count(), own = number % work.tiles.count();
    const std::int64_t down = own / work.tiles.across, across = own % work.tiles.across;
    const std::int64_t r0 = down * kTileRows, c0 = across * kTileColumns;
    const int rows = int(work.rows - r0 < kTileRows ? work.rows - r0 : kTileRows);
    const int columns = int(work.columns - c0 < kTileColumns ? work.columns - c0 : kTileColumns);
    const FactorMatrix m(tensor.factors.shape, matrix);
    const int lane = int(threadIdx.x) % kWarp;
    double of_columns[kLaneColumns] = {}, of_rows[kTileRows / kWarp] = {};
    if (m.column == 1 && columns == kTileColumns && rows % kBatch == 0) {
      add_rows<true>(m, r0, c0 + lane, rows, columns - lane, of_rows, of_columns);
    } else {
      add_rows<false>(m, r0, c0 + lane, rows, columns - lane, of_rows, of_columns);
    }
    if (work.small()) return finish(m, of_rows, of_columns);
    double* const to = view.factor_partials + tensor.first_partial + matrix * work.partials_each();
#pragma unroll
    for (int h = 0; h < kTileRows / kWarp; ++h) {
      const int r = lane + h * kWarp;
      if (r < rows) to[across * work.rows + r0 + r] = of_rows[h];
    }
#pragma unroll
    for (int j = 0; j < kLaneColumns; ++j) {
      const int c = lane + j * kWarp;
      if (c < columns) {
        to[work.tiles.across * work.rows + down * work.columns + c0 + c] = of_columns[j];
      }
    }
  }
  /// Adds the squares of `rows` rows from r0 on: of those columns, one in a warp's width from c on,
  /// that are a lane's and less than `left` behind c. kWhole: all are, columns are neighbours in
  /// memory, and the rows are whole batches.
  template <bool kWhole>
  __device__ void add_rows(const FactorMatrix& m, std::int64_t r0, std::int64_t c, int rows,
                           int left, double (&of_rows)[reduction::kTileRows / kWarp],
                           double (&of_columns)[kLaneColumns]) const {
    const int lane = int(threadIdx.x) % kWarp;
    const typename Job::K own = k;  // by value: registers
    const std::int64_t step = kWhole ? kWarp : kWarp * m.column;
    const auto there = [&](int j) { return kWhole || j * kWarp < left; };
    const auto lane_of = [&](const auto* from, std::int64_t by) {
      return Lane::make([&](int j) { return there(j) ? R(widen(from[j * by])) : R(1); });
    };
    [[maybe_unused]] const auto of = step_factors<Recipe, R, false>(tensor);
    [[maybe_unused]] const R* of_row = of.rows + m.row_at + r0 * m.row_by;
    [[maybe_unused]] Lane of_column{};
    if constexpr (residual) {
      of_column = lane_of(of.columns + m.column_at + c * m.column_by, kWarp * m.column_by);
    }
    std::int64_t at = m.element(r0, c);
#pragma unroll 1
    for (int r = 0; r < rows; r += kBatch) {
      std::int64_t element[kBatch];
      Lane x[kBatch];
      typename Recipe::template Slots<Lane> slots[kBatch];
#pragma unroll
      for (int q = 0; q < kBatch; ++q) {
        element[q] = at;
        x[q] = lane_of(Job::grad + at, step);
        if constexpr (residual) {
          slots[q] = Job::slots(*of_row * of_column, [&](const auto* from) {
            return from == nullptr ? Lane::all(0) : lane_of(from + at, step);
          });
        }
        if (kWhole || r + q + 1 < rows) at += m.row, of_row += m.row_by;
      }
      double sums[kBatch] = {};
#pragma unroll
      for (int q = 0; q < kBatch; ++q) {
        Lane y = Lane::make([&](int j) {
          if (Recipe::rows && !there(j)) return R(0);  // it has no row
          return Job::seen(T{x[q].v[j]}, element[q] + j * step, own).v;
        });
        if constexpr (residual) y = Recipe::Rule::residual(y, slots[q], own.rule);
#pragma unroll
        for (int j = 0; j < kLaneColumns; ++j) {
          double square = squared(y.v[j]);
          square = there(j) && (kWhole || r + q < rows) ? square : 0;  // 0 changes no sum
          sums[q] = __dadd_rn(sums[q], square);
          of_columns[j] = __dadd_rn(of_columns[j], square);
        }
      }
#pragma unroll
      for (int d = kWarp / 2; d > 0; d /= 2) {
#pragma unroll
        for (double& sum : sums) sum = __dadd_rn(sum, __shfl_xor_sync(0xffffffffU, sum, d));
      }
#pragma unroll
      for (int q = 0; q < kBatch; ++q) {
        if (lane == r + q) of_rows[0] = sums[q];
        if (lane == r + q - kWarp) of_rows[1] = sums[q];
      }
    }
  }
  /// The averages of a matrix that is one tile.
  __device__ void finish(const FactorMatrix& m, const double* of_rows,
                         const double* of_columns) const {
    const int lane = int(threadIdx.x) % kWarp;
    R averages[reduction::kTileRows / kWarp];
    double sum = 0;
#pragma unroll
    for (int h = 0; h < reduction::kTileRows / kWarp; ++h) {
      const int r = lane + h * kWarp;
      if (r >= work.rows) continue;
      averages[h] = move_row(m.row_at + r * m.row_by, of_rows[h]);
      sum = __dadd_rn(sum, double(averages[h]));
    }
    const R by = reduction::divisor(warp_sum(sum, kWarp / 2), work.rows, f.least);
#pragma unroll
    for (int h = 0; h < reduction::kTileRows / kWarp; ++h) {
      const int r = lane + h * kWarp;
      if (r < work.rows) make_row(m.row_at + r * m.row_by, averages[h], by);
    }
#pragma unroll
    for (int j = 0; j < kLaneColumns; ++j) {
      const int c = lane + j * kWarp;
      if (c < work.columns) move_column(m.column_at + c * m.column_by, of_columns[j]);
    }
  }

  /// A row or column of a matrix of several tiles, by one thread.
  __device__ void fold(std::int64_t number) const {
    const std::int64_t matrix = number / work.folds_each(), own = number % work.folds_each();
    const FactorMatrix m(tensor.factors.shape, matrix);
    const double* const from =
        view.factor_partials + tensor.first_partial + matrix * work.partials_each();
    const bool is_row = own < work.rows;
    const double* const sums =
        is_row ? from + own : from + work.tiles.across * work.rows + (own - work.rows);
    const std::int64_t count = is_row ? work.tiles.across : work.tiles.down;
    const std::int64_t step = is_row ? work.rows : work.columns;
    double sum = sums[0];
#pragma unroll 32
    for (std::int64_t i = 1; i < count; ++i) sum = __dadd_rn(sum, sums[i * step]);
    if (is_row) {
      move_row(m.row_at + own * m.row_by, sum);
    } else {
      move_column(m.column_at + (own - work.rows) * m.column_by, sum);
    }
  }

  /// The row factors of a matrix of several tiles, by a block of 512 threads.
  __device__ void mean(std::int64_t matrix) const {
    using namespace reduction;
    const FactorMatrix m(tensor.factors.shape, matrix);
    const int thread = int(threadIdx.x), lanes = tensor_lanes(work.rows);
    __shared__ double warps[kLanes / kWarp];
    double sum = 0;
    if (thread < lanes) {
#pragma unroll 4
      for (std::int64_t r = thread; r < work.rows; r += lanes) {
        sum = __dadd_rn(sum, double(row[m.row_at + r * m.row_by]));
      }
    }
    sum = warp_sum(sum, kWarp / 2);
    if (thread % kWarp == 0) warps[thread / kWarp] = sum;
    __syncthreads();
    double all = thread % kWarp < lanes / kWarp ? warps[thread % kWarp] : 0;
    all = warp_sum(all, kLanes / kWarp / 2);
    all = __shfl_sync(0xffffffffU, all, 0);
    const R by = divisor(all, work.rows, f.least);
    for (std::int64_t r = thread; r < work.rows; r += kLanes) {
      const std::int64_t at = m.row_at + r * m.row_by;
      make_row(at, row[at], by);
    }
  }
};

}  // namespace agmohd::cuda
