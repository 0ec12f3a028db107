// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "../../step/rows.hpp"
#include "../view.hpp"
#include "number.cuh"
#include "sums.cuh"

// The values of rows, their factors or shifts, for recipes with a transform by rows: two launches
// before the others.
namespace agmohd::cuda {

/// The last tensor whose number by `first` is at most `number`: the one with that row or piece.
template <class Recipe, class First>
__device__ int tensor_with(const View<Recipe>& view, int number, const First& first) {
  int low = 0, high = view.tensor_count;
  while (high - low > 1) {
    const int middle = (low + high) / 2;
    if (first(view.tensors[middle]) <= number) {
      low = middle;
    } else {
      high = middle;
    }
  }
  return low;
}

/// A warp a piece, in the order of step/rows.hpp.
template <class Recipe, class E>
__device__ reduction::RowSums sum_piece(const View<Recipe>& view, int t, int piece) {
  using namespace reduction;
  const DeviceTensor<Recipe>& tensor = view.tensors[t];
  const E* const param = static_cast<const E*>(tensor.param);
  const E* const grad = static_cast<const E*>(view.grads[t]);
  const std::int64_t length = tensor.numel / tensor.rows.count;
  const int of_row = int(pieces(length));
  const std::int64_t row = piece / of_row, first = std::int64_t(piece % of_row) * kPiece;
  const std::int64_t end = first + kPiece < length ? first + kPiece : length;
  RowSums sum;
  for (std::int64_t k = first + int(threadIdx.x) % kPieceLanes; k < end; k += kPieceLanes) {
    const std::int64_t i = tensor.rows.element(length, row, k);
    const double g = widen(grad[i]);
    if constexpr (Recipe::shifts_rows) {
      sum.g = __dadd_rn(sum.g, g);
    } else {
      const double p = widen(param[i]);
      sum.p2 = __dadd_rn(sum.p2, __dmul_rn(p, p));
      sum.g = __dadd_rn(sum.g, __dmul_rn(g, g));
    }
  }
  if constexpr (!Recipe::shifts_rows) sum.p2 = warp_sum(sum.p2, kPieceLanes / 2);
  sum.g = warp_sum(sum.g, kPieceLanes / 2);
  return sum;
}

template <class Recipe, class Tag>
__global__ void sum_rows_kernel(const __grid_constant__ View<Recipe> view) {
  using namespace reduction;
  const int piece = int(blockIdx.x * (blockDim.x / kPieceLanes) + threadIdx.x / kPieceLanes);
  if (piece >= view.piece_count) return;
  const int t = tensor_with(view, piece, [](const auto& x) { return x.first_piece; });
  const int own = piece - view.tensors[t].first_piece;
  RowSums sum;
  switch (view.tensors[t].dtype) {
    case Dtype::f32:
      sum = sum_piece<Recipe, float>(view, t, own);
      break;
    case Dtype::f64:
      sum = sum_piece<Recipe, double>(view, t, own);
      break;
    case Dtype::bf16:
      sum = sum_piece<Recipe, Bf16>(view, t, own);
      break;
    case Dtype::f16:
      sum = sum_piece<Recipe, F16>(view, t, own);
      break;
  }
  if (threadIdx.x % kPieceLanes == 0) view.of_pieces[piece] = sum;
}

/// A thread a row.
template <class Recipe, class Tag>
__global__ void scale_rows_kernel(const __grid_constant__ View<Recipe> view) {
  const int row = int(blockIdx.x * blockDim.x + threadIdx.x);
  if (row >= view.row_count) return;
  const int t = tensor_with(view, row, [](const auto& x) { return x.first_row; });
  const DeviceTensor<Recipe>& tensor = view.tensors[t];
  const std::int64_t length = tensor.numel / tensor.rows.count;
  const std::int64_t first =
      tensor.first_piece + (row - tensor.first_row) * reduction::pieces(length);
  view.row_values[row] =
      reduction::row_value<Recipe>(view.core->shared, view.of_pieces + first, tensor.rows, length);
}

/// The values of the rows of a chunk; nothing where the recipe has no transform by rows.
template <class Recipe, bool = Recipe::rows>
struct ChunkRows {
  __device__ ChunkRows(const View<Recipe>&, int, std::int64_t) {}
  template <class R>
  __device__ R scaled(R g, int) const {
    return g;
  }
};
template <class Recipe>
struct ChunkRows<Recipe, true> {
  const double* values;      // of the tensor
  std::int64_t row, within;  // of the chunk's first element, and its number in that row's run
  std::int64_t stride, count;

  __device__ ChunkRows(const View<Recipe>& view, int t, std::int64_t first) {
    const DeviceTensor<Recipe>& tensor = view.tensors[t];
    values = view.row_values + tensor.first_row;
    stride = tensor.rows.stride;
    count = tensor.rows.count;
    row = tensor.rows.of(first);
    within = first % stride;
  }
  /// A gradient, element `i` of the chunk, with the value of its row.
  template <class R>
  __device__ R scaled(R g, int i) const {
    const std::int64_t at = within + i;
    std::int64_t r = row;
    if (at >= stride) {  // both fit 32 bits, or it is the next row
      r += stride > reduction::kChunk ? 1 : std::int64_t(unsigned(at) / unsigned(stride));
      if (r >= count) r = count <= reduction::kChunk ? unsigned(r) % unsigned(count) : r % count;
    }
    return reduction::with_row<Recipe>(strict<R>{g}, strict<R>{R(values[r])}).v;
  }
};

}  // namespace agmohd::cuda
