// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <type_traits>

#include "number.cuh"

namespace agmohd::cuda {

/// N elements on their way between memory and arithmetic, in registers as they lie in memory:
/// those of 2 bytes stay two to a register until they are needed.
template <class E, int N>
struct Bundle {
  static constexpr int kBytes = N * int(sizeof(E));
  static constexpr int kAlign = kBytes < 16 ? kBytes : 16;
  struct alignas(kAlign) Access {
    std::uint32_t words[kAlign / 4];
  };
  std::uint32_t words[kBytes / 4];

  /// Whether load() and store() may be used on `p`.
  static __device__ bool aligned(const E* p) {
    return reinterpret_cast<std::uintptr_t>(p) % kAlign == 0;
  }
  __device__ void load(const E* p) {
    const Access* const from = reinterpret_cast<const Access*>(p);
#pragma unroll
    for (int a = 0; a < kBytes / kAlign; ++a) {
      const Access access = from[a];
#pragma unroll
      for (int w = 0; w < kAlign / 4; ++w) words[a * (kAlign / 4) + w] = access.words[w];
    }
  }
  __device__ void store(E* p) const {
    Access* const to = reinterpret_cast<Access*>(p);
#pragma unroll
    for (int a = 0; a < kBytes / kAlign; ++a) {
      Access access;
#pragma unroll
      for (int w = 0; w < kAlign / 4; ++w) access.words[w] = words[a * (kAlign / 4) + w];
      to[a] = access;
    }
  }

  /// `left` of the elements p[0], p[step], ..., the others zero.
  __device__ void load_some(const E* p, int step, int left) {
#pragma unroll
    for (int j = 0; j < N; ++j) {
      E x{};
      if (j < left) x = p[j * step];
      if constexpr (sizeof(E) == 2) {
        words[j / 2] = j % 2 == 0 ? x.bits : words[j / 2] | std::uint32_t(x.bits) << 16;
      } else {
        set(j, x);
      }
    }
  }
  __device__ void store_some(E* p, int step, int left) const {
#pragma unroll
    for (int j = 0; j < N; ++j) {
      if (j >= left) continue;
      if constexpr (sizeof(E) == 2) {
        p[j * step].bits = std::uint16_t(words[j / 2] >> (16 * (j % 2)));
      } else {
        p[j * step] = widened(j);
      }
    }
  }

  /// Element j as it is computed with.
  __device__ Compute<E> widened(int j) const {
    if constexpr (std::is_same_v<E, float>) {
      return __uint_as_float(words[j]);
    } else if constexpr (std::is_same_v<E, double>) {
      return __hiloint2double(int(words[2 * j + 1]), int(words[2 * j]));
    } else if constexpr (std::is_same_v<E, Bf16>) {
      return __uint_as_float(j % 2 == 0 ? words[j / 2] << 16 : words[j / 2] & 0xffff0000U);
    } else {
      return widen(E{std::uint16_t(words[j / 2] >> (16 * (j % 2)))});
    }
  }
  /// The elements j and j + 1, j even, rounded to nearest.
  __device__ void narrow(int j, Compute<E> a, Compute<E> b) {
    if constexpr (sizeof(E) == 2) {
      words[j / 2] = narrow_pair<E>(a, b);
    } else {
      set(j, a), set(j + 1, b);
    }
  }

 private:
  __device__ void set(int j, float x) { words[j] = __float_as_uint(x); }
  __device__ void set(int j, double x) {
    words[2 * j] = std::uint32_t(__double2loint(x));
    words[2 * j + 1] = std::uint32_t(__double2hiint(x));
  }
};

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
