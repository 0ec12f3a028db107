// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "../view.hpp"
#include "factor_job.cuh"
#include "rows.cuh"
#include "square_job.cuh"

// The pass that moves factors, between the decision and the sweep, in the order of
// step/factors.hpp: tiles, then, where matrices have several, their sums over tiles and their
// means.
namespace agmohd::cuda {

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
