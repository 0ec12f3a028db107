// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "lane.cuh"

namespace agmohd::cuda {

/// Four neighbours, loaded and stored with 16-byte accesses where that many bytes are there.
template <class E>
struct alignas(sizeof(E) * 4 < 16 ? sizeof(E) * 4 : 16) Pack {
  E x[4];
};

template <class E>
__device__ bool aligned(const E* p) {
  return reinterpret_cast<std::uintptr_t>(p) % alignof(Pack<E>) == 0;
}

/// Which four elements of a page a thread works on, in a stretch of 4 * 32 elements for each warp:
/// neighbours, or where an array is off alignment every 32nd, so that the accesses of a warp
/// coalesce. `n`: how many of them exist.
struct Quad {
  int first, step, n;

  __device__ Quad(int thread, int count, bool vector) {
    const int warp = 4 * (thread & ~31), lane = thread & 31;
    first = vector ? warp + 4 * lane : warp + lane;
    step = vector ? 1 : 32;
    const int left = count - first;
    n = left <= 0 ? 0 : (left + step - 1) / step;
  }
};

template <class E>
__device__ Pack<E> load(const E* p, const Quad& q, bool vector) {
  if (vector && q.n >= 4) return *reinterpret_cast<const Pack<E>*>(p + q.first);
  Pack<E> out{};
#pragma unroll
  for (int j = 0; j < 4; ++j) {
    if (j < q.n) out.x[j] = p[q.first + j * q.step];
  }
  return out;
}

template <class E>
__device__ void store(E* p, const Quad& q, bool vector, const Pack<E>& pack) {
  if (vector && q.n >= 4) {
    *reinterpret_cast<Pack<E>*>(p + q.first) = pack;
    return;
  }
#pragma unroll
  for (int j = 0; j < 4; ++j) {
    if (j < q.n) p[q.first + j * q.step] = pack.x[j];
  }
}

/// Waits until the kernel before, whose end this one was launched ahead of, is done and its writes
/// are visible. Nothing where it was launched in the ordinary way.
__device__ inline void wait_for_kernel_before() {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
}
/// Lets the next kernel's blocks take the place of this one's as these end.
__device__ inline void allow_kernel_after() {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
#endif
}

}  // namespace agmohd::cuda
