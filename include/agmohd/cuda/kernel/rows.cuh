// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "../../step/medians.hpp"
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

/// f(i) for the elements i of a tensor that a lane adds of a piece of a row, `first` being the
/// piece's first element in the row. In a loop without a question, where loads are under way
/// together, if rows lie one behind the other.
template <class F>
__device__ void each_of_piece(const RowShape& rows, std::int64_t length, std::int64_t row,
                              std::int64_t first, const F& f) {
  using namespace reduction;
  const std::int64_t left = length - first;
  const int count = left < kPiece ? int(left) : kPiece;
  if (rows.stride == length) {
    const std::int64_t at = row * length + first;
#pragma unroll 8
    for (int i = int(threadIdx.x) % kPieceLanes; i < count; i += kPieceLanes) f(at + i);
  } else {
    for (int i = int(threadIdx.x) % kPieceLanes; i < count; i += kPieceLanes) {
      f(rows.element(length, row, first + i));
    }
  }
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
  RowSums sum;
  each_of_piece(tensor.rows, length, row, first, [&](std::int64_t i) {
    const double g = widen(grad[i]);
    if constexpr (Recipe::shifts_rows) {
      sum.g = __dadd_rn(sum.g, g);
    } else {
      const double p = widen(param[i]);
      sum.p2 = __dadd_rn(sum.p2, __dmul_rn(p, p));
      sum.g = __dadd_rn(sum.g, __dmul_rn(g, g));
    }
  });
  if constexpr (!Recipe::shifts_rows) sum.p2 = warp_sum(sum.p2, kPieceLanes / 2);
  sum.g = warp_sum(sum.g, kPieceLanes / 2);
  return sum;
}

/// The same where the recipe projects, of a whole tensor's pieces.
template <class Recipe, class E>
__device__ reduction::TensorSums project_piece(const View<Recipe>& view, int t, int piece) {
  using namespace reduction;
  const DeviceTensor<Recipe>& tensor = view.tensors[t];
  const E* const param = static_cast<const E*>(tensor.param);
  const E* const grad = static_cast<const E*>(view.grads[t]);
  const std::int64_t first = std::int64_t(piece) * kPiece;
  const std::int64_t end = first + kPiece < tensor.numel ? first + kPiece : tensor.numel;
  TensorSums sum;
  for (std::int64_t k = first + int(threadIdx.x) % kPieceLanes; k < end; k += kPieceLanes) {
    const double p = widen(param[k]), g = widen(grad[k]);
    sum.p2 = __dadd_rn(sum.p2, __dmul_rn(p, p));
    sum.pg = __dadd_rn(sum.pg, __dmul_rn(p, g));
    sum.g2 = __dadd_rn(sum.g2, __dmul_rn(g, g));
  }
  sum.p2 = warp_sum(sum.p2, kPieceLanes / 2);
  sum.pg = warp_sum(sum.pg, kPieceLanes / 2);
  sum.g2 = warp_sum(sum.g2, kPieceLanes / 2);
  return sum;
}
template <class Recipe, class E>
__device__ reduction::SumsOf<Recipe> piece_sums(const View<Recipe>& view, int t, int piece) {
  if constexpr (Recipe::projects) {
    return project_piece<Recipe, E>(view, t, piece);
  } else {
    return sum_piece<Recipe, E>(view, t, piece);
  }
}

template <class Recipe, class Tag>
__global__ void sum_rows_kernel(const __grid_constant__ View<Recipe> view) {
  using namespace reduction;
  const int piece = int(blockIdx.x * (blockDim.x / kPieceLanes) + threadIdx.x / kPieceLanes);
  if (piece >= view.piece_count) return;
  const int t = tensor_with(view, piece, [](const auto& x) { return x.first_piece; });
  const int own = piece - view.tensors[t].first_piece;
  SumsOf<Recipe> sum;
  switch (view.tensors[t].dtype) {
    case Dtype::f32:
      sum = piece_sums<Recipe, float>(view, t, own);
      break;
    case Dtype::f64:
      sum = piece_sums<Recipe, double>(view, t, own);
      break;
    case Dtype::bf16:
      sum = piece_sums<Recipe, Bf16>(view, t, own);
      break;
    case Dtype::f16:
      sum = piece_sums<Recipe, F16>(view, t, own);
      break;
  }
  if (threadIdx.x % kPieceLanes != 0) return;
  if constexpr (Recipe::projects) {
    view.sums[0][piece] = sum.p2;
    view.sums[1][piece] = sum.pg;
    view.sums[2][piece] = sum.g2;
  } else {
    view.of_pieces[piece] = sum;
  }
}

/// The projection of row `row`, a tensor, by a whole warp.
template <class Recipe>
__device__ void project_row(const View<Recipe>& view, int row) {
  using namespace reduction;
  if (row >= view.row_count) return;
  const int t = tensor_with(view, row, [](const auto& x) { return x.first_row; });
  const int own = int(pieces(view.tensors[t].numel)), first = view.tensors[t].first_piece;
  double sums[3];
#pragma unroll
  for (int w = 0; w < 3; ++w) sums[w] = add_numbers(view.sums[w] + first, own);
  if (threadIdx.x % kWarp != 0) return;
  view.projections[row] = Recipe::projection(view.core->shared, sums[0], sums[1], sums[2]);
}

/// A thread a row, or where the recipe projects a warp a tensor.
template <class Recipe, class Tag>
__global__ void scale_rows_kernel(const __grid_constant__ View<Recipe> view) {
  const int row = int(blockIdx.x * blockDim.x + threadIdx.x);
  if constexpr (Recipe::projects) {
    project_row(view, row / reduction::kWarp);
  } else {
    if (row >= view.row_count) return;
    const int t = tensor_with(view, row, [](const auto& x) { return x.first_row; });
    const DeviceTensor<Recipe>& tensor = view.tensors[t];
    const std::int64_t length = tensor.numel / tensor.rows.count;
    const std::int64_t first =
        tensor.first_piece + (row - tensor.first_row) * reduction::pieces(length);
    view.row_values[row] = reduction::row_value<Recipe>(view.core->shared, view.of_pieces + first,
                                                        tensor.rows, length);
  }
}

/// The values of the rows of a chunk; nothing where the recipe has no transform by rows.
template <class Recipe, bool = Recipe::rows, bool = Recipe::whole_tensors>
struct ChunkRows {
  __device__ ChunkRows(const View<Recipe>&, int, std::int64_t) {}
  /// The parameter of an element of the tensor, where scaled() needs it.
  template <class E>
  __device__ Compute<E> beside(std::int64_t) const {
    return {};
  }
  /// A gradient, element `i` of the chunk, with the value of its row. `p`: of its parameter.
  template <class R>
  __device__ R scaled(R g, int, R) const {
    return g;
  }
};
template <class Recipe>
requires(Recipe::filters) struct ChunkRows<Recipe, true, true> : ChunkRows<Recipe, false, false> {
  gradient::Outliers outliers;

  __device__ ChunkRows(const View<Recipe>& view, int t, std::int64_t first)
      : ChunkRows<Recipe, false, false>(view, t, first) {
    const int row = view.tensors[t].first_row;  // beyond the last: it has no gradient in this step
    if (row < view.row_count) outliers = view.outliers[row];
  }
  template <class R>
  __device__ R scaled(R g, int, R) const {
    return reduction::filtered(strict<R>{g}, outliers).v;
  }
};
template <class Recipe>
requires(Recipe::projects) struct ChunkRows<Recipe, true, true> {
  gradient::Projection projection;
  const void* param;  // of the tensor

  __device__ ChunkRows(const View<Recipe>& view, int t, std::int64_t)
      : param(view.tensors[t].param) {
    const int row = view.tensors[t].first_row;  // beyond the last: it has no gradient in this step
    if (row < view.row_count) projection = view.projections[row];
  }
  template <class E>
  __device__ Compute<E> beside(std::int64_t element) const {
    return widen(static_cast<const E*>(param)[element]);
  }
  template <class R>
  __device__ R scaled(R g, int, R p) const {
    return reduction::projected(strict<R>{g}, strict<R>{p}, projection).v;
  }
};
template <class Recipe>
struct ChunkRows<Recipe, true, false> : ChunkRows<Recipe, false, false> {
  const double* values;      // of the tensor
  std::int64_t row, within;  // of the chunk's first element, and its number in that row's run
  std::int64_t stride, count;

  __device__ ChunkRows(const View<Recipe>& view, int t, std::int64_t first)
      : ChunkRows<Recipe, false, false>(view, t, first) {
    const DeviceTensor<Recipe>& tensor = view.tensors[t];
    values = view.row_values + tensor.first_row;
    stride = tensor.rows.stride;
    count = tensor.rows.count;
    row = tensor.rows.of(first);
    within = first % stride;
  }
  template <class R>
  __device__ R scaled(R g, int i, R) const {
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
