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

template <class E>
__device__ Pack<E> load_pack(const E* p) {
  return *reinterpret_cast<const Pack<E>*>(p);
}
template <class E>
__device__ void store_pack(E* p, const Pack<E>& pack) {
  *reinterpret_cast<Pack<E>*>(p) = pack;
}

/// A pack as loaded: 2-byte elements stay two to a register until they are needed.
template <class E>
struct Raw {
  Pack<E> pack;
  __device__ explicit Raw(const E* p) : pack(load_pack(p)) {}
  __device__ E operator[](int j) const { return pack.x[j]; }
};
template <class E>
requires(sizeof(E) == 2) struct Raw<E> {
  uint2 words;
  __device__ explicit Raw(const E* p) : words(*reinterpret_cast<const uint2*>(p)) {}
  __device__ E operator[](int j) const {
    return {std::uint16_t((j < 2 ? words.x : words.y) >> (16 * (j % 2)))};
  }
};

/// `left` of the four elements p[0], p[step], ..., the others zero.
template <class E>
__device__ Pack<E> load_some(const E* p, int step, int left) {
  Pack<E> out{};
#pragma unroll
  for (int j = 0; j < 4; ++j) {
    if (j < left) out.x[j] = p[j * step];
  }
  return out;
}
template <class E>
__device__ void store_some(E* p, int step, int left, const Pack<E>& pack) {
#pragma unroll
  for (int j = 0; j < 4; ++j) {
    if (j < left) p[j * step] = pack.x[j];
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
