// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <type_traits>

#include "../../step/factors.hpp"
#include "../view.hpp"
#include "number.cuh"
#include "pack.cuh"
#include "rows.cuh"
#include "square_job.cuh"
#include "sums.cuh"

// The pass that moves factors, between the decision and the sweep, in the order of
// step/factors.hpp: tiles, then, where matrices have several, their sums over tiles and their
// means.
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

  R *row, *column, *scaled;
  FactorWork work;
  FactoringOf<Recipe, R, residual> f;

  __device__ FactorJobOf(const View<Recipe>& all, int t)
      : Job(all, t),
        row(static_cast<R*>(tensor.factors.row)),
        column(static_cast<R*>(tensor.factors.column)),
        scaled(static_cast<R*>(tensor.scaled)),
        work(tensor.factors.shape),
        f(detail::factoring<Recipe, residual>(k)) {
    if constexpr (residual) {
      row = static_cast<R*>(tensor.factors.residual_row);
      column = static_cast<R*>(tensor.factors.residual_column);
      scaled = reinterpret_cast<R*>(static_cast<char*>(tensor.scaled) +
                                    work.scaled_bytes(std::is_same_v<R, double>));
    }
  }

  /// The factor of a row, or of a column, in the slot that a residual is made with.
  __device__ R row_factor(const FactorMatrix& m, std::int64_t r) const {
    return static_cast<const R*>(tensor.scaled)[m.row_at + r * m.row_by];
  }
  __device__ R column_factor(const FactorMatrix& m, std::int64_t c) const {
    return static_cast<const R*>(tensor.factors.column)[m.column_at + c * m.column_by];
  }
  __device__ double squared(R x) const {
    const double square = __dmul_rn(double(x), double(x));
    if constexpr (adds_to_squares<decltype(f)>) {
      return __dadd_rn(square, double(f.added));
    } else {
      return square;
    }
  }
  /// Of the element in row r and column c of a matrix.
  __device__ double square(const FactorMatrix& m, std::int64_t r, std::int64_t c) const {
    const std::int64_t element = m.element(r, c);
    T x = Job::seen(element);
    if constexpr (residual) {
      x = Job::residual(x, T{row_factor(m, r)} * T{column_factor(m, c)},
                        [&](const auto* from) { return T{R(widen(from[element]))}; });
    }
    return squared(x.v);
  }
  /// Of those in row r that a lane adds, one in a warp's width from column c on, of which `there`
  /// are. Divisions and roots of residuals are made for all together.
  __device__ void squares(const FactorMatrix& m, std::int64_t r, std::int64_t c, int there,
                          const Lane& by, double (&x)[kLaneColumns]) const {
    const std::int64_t first = m.element(r, c), step = kWarp * m.column;
    const auto loaded = [&](const auto& load) {  // ordinary numbers beyond the last
      return Lane::make([&](int j) { return j < there ? R(load(first + j * step)) : R(1); });
    };
    Lane y = loaded([&](std::int64_t element) { return Job::seen(element).v; });
    if constexpr (residual) {
      y = Job::residual(y, row_factor(m, r) * by, [&](const auto* from) {
        return loaded([&](std::int64_t element) { return widen(from[element]); });
      });
    }
#pragma unroll
    for (int j = 0; j < kLaneColumns; ++j) x[j] = squared(y.v[j]);
  }
  __device__ R move(R& average, double sum, std::int64_t count) const {
    average = reduction::averaged(T{average}, sum, count, f.gain).v;
    return average;
  }
  __device__ static R over(R average, R by) { return (T{average} / T{by}).v; }

  /// Matrix number `number`, which has 8 rows and columns at most, by one thread.
  __device__ void very_small(std::int64_t number) const {
    constexpr int kMost = FactorWork::kVerySmall;
    if (number >= work.matrices) return;
    const FactorMatrix m(tensor.factors.shape, number);
    const int rows = int(work.rows), columns = int(work.columns);
    R averages[kMost];
    double of_columns[kMost] = {}, of_rows[kMost] = {};
#pragma unroll
    for (int r = 0; r < kMost; ++r) {
      if (r >= rows) continue;
      double x[kMost];
#pragma unroll
      for (int c = 0; c < kMost; ++c) {
        x[c] = c < columns ? square(m, r, c) : 0;
        of_columns[c] = __dadd_rn(of_columns[c], x[c]);
      }
      averages[r] = move(row[m.row_at + r * m.row_by], fold_eight(x), columns);
      of_rows[r] = double(averages[r]);
    }
#pragma unroll
    for (int c = 0; c < kMost; ++c) {
      if (c < columns) move(column[m.column_at + c * m.column_by], of_columns[c], rows);
    }
    const R by = reduction::divisor(fold_eight(of_rows), rows, f.least);
#pragma unroll
    for (int r = 0; r < kMost; ++r) {
      if (r < rows) scaled[m.row_at + r * m.row_by] = over(averages[r], by);
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
    const int there = (columns - lane + kWarp - 1) / kWarp;
    Lane by = Lane::all(1);
    if constexpr (residual) {
      by = Lane::make(
          [&](int j) { return j < there ? column_factor(m, c0 + lane + j * kWarp) : R(1); });
    }
    double of_columns[kLaneColumns] = {}, of_rows[kTileRows / kWarp] = {};
#pragma unroll
    for (int half = 0; half < kTileRows / kWarp; ++half) {
      const int end = rows - half * kWarp < kWarp ? rows - half * kWarp : kWarp;
#pragma unroll 4
      for (int r = 0; r < end; ++r) {
        double x[kLaneColumns], sum = 0;
        squares(m, r0 + half * kWarp + r, c0 + lane, there, by, x);
#pragma unroll
        for (int j = 0; j < kLaneColumns; ++j) {
          if (j >= there) continue;
          sum = __dadd_rn(sum, x[j]);
          of_columns[j] = __dadd_rn(of_columns[j], x[j]);
        }
        sum = warp_sum(sum, kWarp / 2);
        if (lane == r) of_rows[half] = sum;
      }
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
      averages[h] = move(row[m.row_at + r * m.row_by], of_rows[h], work.columns);
      sum = __dadd_rn(sum, double(averages[h]));
    }
    const R by = reduction::divisor(warp_sum(sum, kWarp / 2), work.rows, f.least);
#pragma unroll
    for (int h = 0; h < reduction::kTileRows / kWarp; ++h) {
      const int r = lane + h * kWarp;
      if (r < work.rows) scaled[m.row_at + r * m.row_by] = over(averages[h], by);
    }
#pragma unroll
    for (int j = 0; j < kLaneColumns; ++j) {
      const int c = lane + j * kWarp;
      if (c < work.columns) move(column[m.column_at + c * m.column_by], of_columns[j], work.rows);
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
      move(row[m.row_at + own * m.row_by], sum, work.columns);
    } else {
      move(column[m.column_at + (own - work.rows) * m.column_by], sum, work.rows);
    }
  }

  /// The row averages of a matrix of several tiles over their mean, by a block of 512 threads.
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
      scaled[at] = over(row[at], by);
    }
  }
};

template <class Recipe, class E>
using FactorJob = FactorJobOf<Recipe, E, false>;
template <class Recipe, class E>
using ResidualJob = FactorJobOf<Recipe, E, true>;

/// A warp a job.
template <class Recipe, class Tag, template <class, class> class Job = FactorJob>
__global__ void __launch_bounds__(256, 2)
    factor_tiles_kernel(const __grid_constant__ View<Recipe> view) {
  constexpr int kWarp = reduction::kWarp;
  const int number = int(blockIdx.x * (blockDim.x / kWarp) + threadIdx.x / kWarp);
  if (view.core->apply == 0 || number >= view.factor_jobs) return;
  const int t = tensor_with(view, number, [](const auto& x) { return x.first_job; });
  const std::int64_t own = number - view.tensors[t].first_job;
  with_job<Job>(view, t, [&](const auto& job) {
    if (job.work.very_small()) {
      job.very_small(own * kWarp + threadIdx.x % kWarp);
    } else {
      job.tile(own);
    }
  });
}
/// A thread a row or column.
template <class Recipe, class Tag, template <class, class> class Job = FactorJob>
__global__ void factor_folds_kernel(const __grid_constant__ View<Recipe> view) {
  const int number = int(blockIdx.x * blockDim.x + threadIdx.x);
  if (view.core->apply == 0 || number >= view.factor_folds) return;
  const int t = tensor_with(view, number, [](const auto& x) { return x.first_fold; });
  with_job<Job>(view, t, [&](const auto& job) { job.fold(number - view.tensors[t].first_fold); });
}
/// A block a matrix.
template <class Recipe, class Tag, template <class, class> class Job = FactorJob>
__global__ void __launch_bounds__(reduction::kLanes)
    factor_means_kernel(const __grid_constant__ View<Recipe> view) {
  const int number = int(blockIdx.x);
  if (view.core->apply == 0) return;
  const int t = tensor_with(view, number, [](const auto& x) { return x.first_matrix; });
  with_job<Job>(view, t, [&](const auto& job) { job.mean(number - view.tensors[t].first_matrix); });
}

}  // namespace agmohd::cuda
