// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "../../step/medians.hpp"
#include "../view.hpp"
#include "number.cuh"
#include "rows.cuh"
#include "sums.cuh"

// The outliers of tensors, for recipes with gradient::MedianFilter: launches before the others. A
// kernel counts the digits of all tensors, and another one chooses those of their medians; so
// `passes` times for the medians of magnitudes, and again for those of distances.
namespace agmohd::cuda {

/// Adds the digits of a piece of a tensor to `counts`, by a whole block. `pass`: within the search
/// for a median, of the first or the second.
template <class Recipe, class E>
__device__ void count_piece(const View<Recipe>& view, int t, std::int64_t first, int pass,
                            bool second, unsigned* counts) {
  using namespace reduction;
  using R = Compute<E>;
  if (pass >= digits_of<R>) return;  // other tensors have more
  const DeviceTensor<Recipe>& tensor = view.tensors[t];
  const E* const grad = static_cast<const E*>(view.grads[t]) + first;
  const std::int64_t left = tensor.numel - first;
  const int count = left < kPiece ? int(left) : kPiece, threads = int(blockDim.x);
  const MedianSearch& search = view.searches[tensor.first_row];
  const auto found = Bits<R>(search.found);
  const R median = R(search.median);
  const Digit digit = Digit::of<R>(pass);
  constexpr int kAtOnce = 8;  // loads
  for (int begin = int(threadIdx.x); begin < count; begin += kAtOnce * threads) {
    E x[kAtOnce];
#pragma unroll
    for (int j = 0; j < kAtOnce; ++j) {
      const int i = begin + j * threads;
      if (i < count) x[j] = grad[i];
    }
#pragma unroll
    for (int j = 0; j < kAtOnce; ++j) {
      if (begin + j * threads >= count) break;
      R g = widen(x[j]);
      if (second) g = fabs(g) - median;
      const auto bits = magnitude(g);
      if (digit.continues(bits, found)) atomicAdd(counts + digit.value(bits), 1U);
    }
  }
}

/// What a block counted goes to the tensor's counts; the block's become 0.
template <class Recipe>
__device__ void flush_counts(const View<Recipe>& view, int t, unsigned* counts) {
  using namespace reduction;
  __syncthreads();
  unsigned* const to = view.searches[view.tensors[t].first_row].counts;
  for (int d = int(threadIdx.x); d < kDigits; d += int(blockDim.x)) {
    if (counts[d] == 0) continue;
    atomicAdd(to + d, counts[d]);
    counts[d] = 0;
  }
  __syncthreads();
}

/// A block counts `pieces` pieces.
template <class Recipe, class Tag>
__global__ void count_digits_kernel(const __grid_constant__ View<Recipe> view, int pass, int passes,
                                    int pieces) {
  using namespace reduction;
  __shared__ unsigned counts[kDigits];
  for (int d = int(threadIdx.x); d < kDigits; d += int(blockDim.x)) counts[d] = 0;
  __syncthreads();
  const bool second = pass >= passes;
  if (second) pass -= passes;
  const int first = int(blockIdx.x) * pieces;
  const int end = min(first + pieces, view.piece_count);
  int t = tensor_with(view, first, [](const auto& x) { return x.first_piece; });
  for (int piece = first; piece < end; ++piece) {
    std::int64_t own = std::int64_t(piece - view.tensors[t].first_piece) * kPiece;
    if (own >= view.tensors[t].numel) {
      flush_counts(view, t, counts);
      t = tensor_with(view, piece, [](const auto& x) { return x.first_piece; });
      own = 0;
    }
    switch (view.tensors[t].dtype) {
      case Dtype::f32:
        count_piece<Recipe, float>(view, t, own, pass, second, counts);
        break;
      case Dtype::f64:
        count_piece<Recipe, double>(view, t, own, pass, second, counts);
        break;
      case Dtype::bf16:
        count_piece<Recipe, Bf16>(view, t, own, pass, second, counts);
        break;
      case Dtype::f16:
        count_piece<Recipe, F16>(view, t, own, pass, second, counts);
        break;
    }
  }
  flush_counts(view, t, counts);
}

/// Chooses digit `pass` of a median from what was counted, by a whole warp.
template <class R>
__device__ void choose_digit(MedianSearch& search, int pass) {
  using namespace reduction;
  if (pass >= digits_of<R>) return;
  constexpr int kOwn = kDigits / kWarp;  // of a lane: neighbours
  const int lane = int(threadIdx.x) % kWarp;
  const unsigned* const counts = search.counts;
  const std::int64_t rank = search.rank;
  __syncwarp();
  std::int64_t own = 0;
#pragma unroll 8
  for (int j = 0; j < kOwn; ++j) own += counts[lane * kOwn + j];
  std::int64_t until = own;  // of the lanes up to this one
#pragma unroll
  for (int d = 1; d < kWarp; d *= 2) {
    const std::int64_t before = __shfl_up_sync(0xffffffffU, until, unsigned(d));
    if (lane >= d) until += before;
  }
  std::int64_t left = rank - (until - own);
  if (left < 0 || left >= own) return;
  int d = lane * kOwn;
  for (; left >= counts[d]; ++d) left -= counts[d];
  search.rank = left;
  search.found |= std::uint64_t(d) << Digit::of<R>(pass).shift;
}

/// A warp a tensor. Before the first count, `pass` being -1, the searches begin; behind the last
/// one the outliers are there.
template <class Recipe, class Tag>
__global__ void choose_digits_kernel(const __grid_constant__ View<Recipe> view, int pass,
                                     int passes) {
  using namespace reduction;
  const int row = int(blockIdx.x * blockDim.x + threadIdx.x) / kWarp;
  const int lane = int(threadIdx.x) % kWarp;
  if (row >= view.row_count) return;
  const int t = tensor_with(view, row, [](const auto& x) { return x.first_row; });
  const DeviceTensor<Recipe>& tensor = view.tensors[t];
  const bool wide = tensor.dtype == Dtype::f64;
  MedianSearch& search = view.searches[row];
  if (pass >= 0) {
    if (wide) {
      choose_digit<double>(search, pass % passes);
    } else {
      choose_digit<float>(search, pass % passes);
    }
    __syncwarp();
  }
  for (int d = lane; d < kDigits; d += kWarp) search.counts[d] = 0;
  if (lane != 0 || (pass + 1) % passes != 0) return;
  const std::uint64_t found = pass < 0 ? 0 : search.found;  // before the first: of nothing
  const double value = wide ? __longlong_as_double(static_cast<long long>(found))
                            : double(__uint_as_float(unsigned(found)));
  if (pass == 2 * passes - 1) {
    view.outliers[row] = Recipe::outliers(view.core->shared, search.median, value, tensor.numel);
  } else {
    search.found = 0;
    search.rank = median_rank(tensor.numel);
    search.median = value;
  }
}

}  // namespace agmohd::cuda
