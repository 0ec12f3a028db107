// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <type_traits>

#include "../lerp.hpp"
#include "load_store.cuh"
#include "number.cuh"

namespace agmohd::cuda {

/// Neighbouring elements of a thread.
inline constexpr int kLerpElements = 4;

/// As ATen's lerp, which is exact at both ends: of weight 1 it is b.
template <class R>
__device__ R lerp(R a, R b, R weight) {
  using T = strict<R>;
  const T gap = T{b} - T{a};
  if (weight < R(0.5)) return (T{a} + weight * gap).v;
  return (T{b} - gap * T{R(1) - weight}).v;
}

/// The elements [0, count) of a chunk, by one block.
template <class A, class P>
__device__ void lerp_chunk(A* average, P* param, int count, Compute<A> weight, bool write) {
  constexpr int N = kLerpElements;
  using Average = Bundle<A, N>;
  using Param = Bundle<P, N>;
  const bool wide = Average::aligned(average) && Param::aligned(param);
  for (int first = int(threadIdx.x) * N; first < count; first += int(blockDim.x) * N) {
    const int left = count - first;
    const bool whole = wide && left >= N;
    Average a;
    Param p;
    if (whole) {
      a.load(average + first), p.load(param + first);
    } else {
      a.load_some(average + first, 1, left), p.load_some(param + first, 1, left);
    }
#pragma unroll
    for (int j = 0; j < N; j += 2) {
      a.narrow(j, lerp<Compute<A>>(a.widened(j), p.widened(j), weight),
               lerp<Compute<A>>(a.widened(j + 1), p.widened(j + 1), weight));
    }
    if (whole) {
      a.store(average + first);
    } else {
      a.store_some(average + first, 1, left);
    }
    if constexpr (std::is_same_v<A, P>) {
      if (!write) continue;
      if (whole) {
        a.store(param + first);
      } else {
        a.store_some(param + first, 1, left);
      }
    }
  }
}

template <class Tag>
__global__ void lerp_kernel(LerpView view) {
  const ChunkRef ref = view.chunks[blockIdx.x];
  const LerpTensor& t = view.tensors[ref.tensor];
  const std::int64_t first = std::int64_t(ref.chunk) * view.chunk_elements;
  const std::int64_t left = t.numel - first;
  const int count = left < view.chunk_elements ? int(left) : view.chunk_elements;
  const auto work = [&](auto average, auto param) {
    using A = decltype(average);
    using P = decltype(param);
    lerp_chunk(static_cast<A*>(t.average) + first, static_cast<P*>(t.param) + first, count,
               Compute<A>(view.weight), view.write);
  };
  const bool same = t.average_dtype == t.param_dtype;
  if (t.param_dtype == Dtype::f64) {
    work(double{}, double{});
  } else if (t.param_dtype == Dtype::f32) {
    work(float{}, float{});
  } else if (t.param_dtype == Dtype::bf16) {
    same ? work(Bf16{}, Bf16{}) : work(float{}, Bf16{});
  } else {
    same ? work(F16{}, F16{}) : work(float{}, F16{});
  }
}

}  // namespace agmohd::cuda
