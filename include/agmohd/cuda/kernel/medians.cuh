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

/// Adds the digits of a tensor's elements from `first` up to `end` to `counts`, by a whole block.
/// `pass`: within the search for a median, of the first or the second. The next loads are under way
/// while elements are counted.
template <class Recipe, class E>
__device__ void count_range(const View<Recipe>& view, int t, std::int64_t first, std::int64_t end,
                            int pass, bool second, unsigned* counts) {
  using namespace reduction;
  using R = Compute<E>;
  if (pass >= digits_of<R>) return;  // other tensors have more
  const E* const grad = static_cast<const E*>(view.grads[t]);
  const MedianSearch& search = view.searches[view.tensors[t].first_row];
  const auto found = Bits<R>(search.found);
  const R median = R(search.median);
  const Digit digit = Digit::of<R>(pass);
  constexpr int kAtOnce = 8;
  const int threads = int(blockDim.x);
  E x[kAtOnce];
  const auto load = [&](std::int64_t at) {
#pragma unroll
    for (int j = 0; j < kAtOnce; ++j) {
      if (at + j * threads < end) x[j] = grad[at + j * threads];
    }
  };
  std::int64_t at = first + int(threadIdx.x);
  load(at);
#pragma unroll 1
  while (at < end) {
    E now[kAtOnce];
#pragma unroll
    for (int j = 0; j < kAtOnce; ++j) now[j] = x[j];
    const std::int64_t next = at + kAtOnce * threads;
    load(next);
#pragma unroll
    for (int j = 0; j < kAtOnce; ++j) {
      if (at + j * threads >= end) break;
      R g = widen(now[j]);
      if (second) g = fabs(g) - median;
      const auto bits = magnitude(g);
      if (digit.continues(bits, found)) atomicAdd(counts + digit.value(bits), 1U);
    }
    at = next;
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
  const int end = min((int(blockIdx.x) + 1) * pieces, view.piece_count);
  for (int piece = int(blockIdx.x) * pieces; piece < end;) {
    const int t = tensor_with(view, piece, [](const auto& x) { return x.first_piece; });
    const DeviceTensor<Recipe>& tensor = view.tensors[t];
    const std::int64_t from = std::int64_t(piece - tensor.first_piece) * kPiece;
    std::int64_t to = std::int64_t(end - tensor.first_piece) * kPiece;
    to = to < tensor.numel ? to : tensor.numel;
    switch (tensor.dtype) {
      case Dtype::f32:
        count_range<Recipe, float>(view, t, from, to, pass, second, counts);
        break;
      case Dtype::f64:
        count_range<Recipe, double>(view, t, from, to, pass, second, counts);
        break;
      case Dtype::bf16:
        count_range<Recipe, Bf16>(view, t, from, to, pass, second, counts);
        break;
      case Dtype::f16:
        count_range<Recipe, F16>(view, t, from, to, pass, second, counts);
        break;
    }
    flush_counts(view, t, counts);
    piece += int(reduction::pieces(to - from));
  }
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
