// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "../../step/row_slot.hpp"
#include "../factors.hpp"
#include "../view.hpp"
#include "rows.cuh"
#include "square_job.cuh"
#include "sums.cuh"

// The pass that moves the averages of rows, between the decision and the sweep, in the order of
// step/row_slot.hpp: pieces, and where rows have several, their sums.
namespace agmohd::cuda {

/// A tensor in that pass.
template <class Recipe, class E>
struct RowSlotJob : SquareJob<Recipe, E> {
  using Job = SquareJob<Recipe, E>;
  using Job::k, Job::tensor, Job::view;
  using typename Job::R, typename Job::T;

  R* row;
  RowSlotWork work;

  __device__ RowSlotJob(const View<Recipe>& all, int t)
      : Job(all, t),
        row(static_cast<R*>(tensor.factors.row)),
        work(tensor.factors.shape, tensor.numel) {}

  __device__ double square(std::int64_t element) const {
    const T h = Job::seen(element);
    return __dmul_rn(double(h.v), double(h.v));
  }
  __device__ void move(std::int64_t r, double sum) const {
    const R gain = Recipe::Rule::factoring(k.rule).gain;
    row[r] = reduction::averaged(T{row[r]}, sum, work.length, gain).v;
  }

  /// A piece of a row, by one warp.
  __device__ void piece(std::int64_t number) const {
    using namespace reduction;
    const std::int64_t r = number / work.pieces, first = number % work.pieces * kPiece;
    double sum = 0;
    each_of_piece(tensor.factors.shape, work.length, r, first,
                  [&](std::int64_t element) { sum = __dadd_rn(sum, square(element)); });
    sum = warp_sum(sum, kPieceLanes / 2);
    if (threadIdx.x % kPieceLanes != 0) return;
    if (work.pieces == 1) {
      move(r, sum);
    } else {
      view.factor_partials[tensor.first_partial + number] = sum;
    }
  }
  /// A row of several pieces, by one thread.
  __device__ void fold(std::int64_t r) const {
    const double* const sums = view.factor_partials + tensor.first_partial + r * work.pieces;
    double sum = sums[0];
#pragma unroll 8
    for (std::int64_t i = 1; i < work.pieces; ++i) sum = __dadd_rn(sum, sums[i]);
    move(r, sum);
  }
};

/// A warp a piece.
template <class Recipe, class Tag>
__global__ void row_slot_pieces_kernel(const __grid_constant__ View<Recipe> view) {
  constexpr int kWarp = reduction::kPieceLanes;
  const int number = int(blockIdx.x * (blockDim.x / kWarp) + threadIdx.x / kWarp);
  if (view.core->apply == 0 || number >= view.factor_jobs) return;
  const int t = tensor_with(view, number, [](const auto& x) { return x.first_job; });
  with_job<RowSlotJob>(view, t,
                       [&](const auto& job) { job.piece(number - view.tensors[t].first_job); });
}
/// A thread a row.
template <class Recipe, class Tag>
__global__ void row_slot_folds_kernel(const __grid_constant__ View<Recipe> view) {
  const int number = int(blockIdx.x * blockDim.x + threadIdx.x);
  if (view.core->apply == 0 || number >= view.factor_folds) return;
  const int t = tensor_with(view, number, [](const auto& x) { return x.first_fold; });
  with_job<RowSlotJob>(view, t,
                       [&](const auto& job) { job.fold(number - view.tensors[t].first_fold); });
}

}  // namespace agmohd::cuda
