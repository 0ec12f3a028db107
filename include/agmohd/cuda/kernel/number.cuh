// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cuda_fp16.h>

#include <cstdint>
#include <type_traits>

#include "../../policy/element.hpp"
#include "../../policy/number.hpp"
#include "../../policy/random.hpp"

namespace agmohd::cuda {

/// The device's number type: a float or double whose operators round each by itself and are never
/// contracted to an FMA, whatever the flags. So the bits are the CPU's, and adding a policy to a
/// kernel cannot change those of another.
template <class R>
struct strict {
  R v;

  friend AGMOHD_HD strict operator+(strict a, strict b) { return {add(a.v, b.v)}; }
  friend AGMOHD_HD strict operator-(strict a, strict b) { return {add(a.v, -b.v)}; }
  friend AGMOHD_HD strict operator*(strict a, strict b) { return {mul(a.v, b.v)}; }
  friend AGMOHD_HD strict operator/(strict a, strict b) { return {div(a.v, b.v)}; }
  friend AGMOHD_HD strict operator+(R a, strict b) { return {add(a, b.v)}; }
  friend AGMOHD_HD strict operator-(R a, strict b) { return {add(a, -b.v)}; }
  friend AGMOHD_HD strict operator*(R a, strict b) { return {mul(a, b.v)}; }
  friend AGMOHD_HD strict operator/(R a, strict b) { return {div(a, b.v)}; }
  friend AGMOHD_HD strict operator+(strict a, R b) { return {add(a.v, b)}; }
  friend AGMOHD_HD strict operator-(strict a, R b) { return {add(a.v, -b)}; }
  friend AGMOHD_HD strict operator*(strict a, R b) { return {mul(a.v, b)}; }
  friend AGMOHD_HD strict operator/(strict a, R b) { return {div(a.v, b)}; }
  friend AGMOHD_HD bool operator<(strict a, strict b) { return a.v < b.v; }
  friend AGMOHD_HD bool operator>(strict a, strict b) { return a.v > b.v; }
  friend AGMOHD_HD bool operator<=(strict a, strict b) { return a.v <= b.v; }
  friend AGMOHD_HD bool operator>=(strict a, strict b) { return a.v >= b.v; }
  friend AGMOHD_HD bool operator==(strict a, strict b) { return a.v == b.v; }
  friend AGMOHD_HD bool operator!=(strict a, strict b) { return a.v != b.v; }

 private:
#ifdef __CUDA_ARCH__
  static __device__ float add(float a, float b) { return __fadd_rn(a, b); }
  static __device__ float mul(float a, float b) { return __fmul_rn(a, b); }
  static __device__ float div(float a, float b) { return __fdiv_rn(a, b); }
  static __device__ double add(double a, double b) { return __dadd_rn(a, b); }
  static __device__ double mul(double a, double b) { return __dmul_rn(a, b); }
  static __device__ double div(double a, double b) { return __ddiv_rn(a, b); }
#else
  static R add(R a, R b) { return a + b; }
  static R mul(R a, R b) { return a * b; }
  static R div(R a, R b) { return a / b; }
#endif
};

template <class E>
using Compute = std::conditional_t<std::is_same_v<E, double>, double, float>;

__device__ inline float widen(float x) { return x; }
__device__ inline double widen(double x) { return x; }
__device__ inline float widen(Bf16 x) { return Bf16::widen(x.bits); }
__device__ inline float widen(F16 x) { return __half2float(__ushort_as_half(x.bits)); }
/// Two elements of 2 bytes in a word, `a` in its low half.
template <class E>
__device__ std::uint32_t narrow_pair(float a, float b) {
  if constexpr (std::is_same_v<E, F16>) {
    const std::uint32_t high = __half_as_ushort(__float2half_rn(b));
    return __half_as_ushort(__float2half_rn(a)) | high << 16;
  } else {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
    std::uint32_t word;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(word) : "f"(b), "f"(a));  // a NaN becomes 0x7fff
    return word;
#else
    return Bf16::narrow(a) | std::uint32_t(Bf16::narrow(b)) << 16;
#endif
  }
}

}  // namespace agmohd::cuda

namespace agmohd {

template <class R>
struct number_traits<cuda::strict<R>> {
  using real = R;
  using T = cuda::strict<R>;
  AGMOHD_HD static T sqrt(T x) {
#ifdef __CUDA_ARCH__
    if constexpr (sizeof(R) == 4) {
      return {__fsqrt_rn(x.v)};
    } else {
      return {__dsqrt_rn(x.v)};
    }
#else
    return {std::sqrt(x.v)};
#endif
  }
  AGMOHD_HD static T select(bool mask, T a, T b) { return mask ? a : b; }
  AGMOHD_HD static T max(T a, T b) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
    if constexpr (sizeof(R) == 4) {
      float out;
      asm("max.NaN.f32 %0, %1, %2;" : "=f"(out) : "f"(a.v), "f"(b.v));
      return {out};
    }
#endif
    return a > b || a != a ? a : b;
  }
  AGMOHD_HD static T min(T a, T b) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
    if constexpr (sizeof(R) == 4) {
      float out;
      asm("min.NaN.f32 %0, %1, %2;" : "=f"(out) : "f"(a.v), "f"(b.v));
      return {out};
    }
#endif
    return a < b || a != a ? a : b;
  }
  AGMOHD_HD static T clamp(T x, T bound) { return min(max(x, T{-bound.v}), bound); }
  AGMOHD_HD static bool all(bool mask) { return mask; }
  AGMOHD_HD static T like(T, R r) { return {r}; }
  AGMOHD_HD static T centred(T, const random::Key& k, const Position& at) {
    return {R(random::centred(k, at.first))};
  }
};
static_assert(Number<cuda::strict<float>> && Number<cuda::strict<double>>);

}  // namespace agmohd
