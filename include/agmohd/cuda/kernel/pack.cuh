// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <type_traits>

#include "number.cuh"

namespace agmohd::cuda {

/// The sweep's number type: N elements, each with the bits of strict<R>. Divisions and square roots
/// of float take the ordinary way for all N without a branch, and then ask once whether that was
/// right for all of them, else each takes the way that is always right.
template <class R, int N>
struct pack {
  struct mask {
    bool v[N];
    friend AGMOHD_HD mask operator|(const mask& a, const mask& b) {
      return make<mask>([&](int j) { return bool(a.v[j] | b.v[j]); });
    }
    friend AGMOHD_HD mask operator&(const mask& a, const mask& b) {
      return make<mask>([&](int j) { return bool(a.v[j] & b.v[j]); });
    }
  };
  R v[N];

  /// f(0), f(1), ...
  template <class To = pack, class F>
  AGMOHD_HD static To make(const F& f) {
    To to;
    for (int j = 0; j < N; ++j) to.v[j] = f(j);
    return to;
  }
  AGMOHD_HD static pack all(R r) {
    return make([&](int) { return r; });
  }
  AGMOHD_HD strict<R> operator[](int j) const { return {v[j]}; }

  friend AGMOHD_HD pack operator+(const pack& a, const pack& b) {
    return make([&](int j) { return (a[j] + b[j]).v; });
  }
  friend AGMOHD_HD pack operator-(const pack& a, const pack& b) {
    return make([&](int j) { return (a[j] - b[j]).v; });
  }
  friend AGMOHD_HD pack operator*(const pack& a, const pack& b) {
    return make([&](int j) { return (a[j] * b[j]).v; });
  }
  friend AGMOHD_HD pack operator/(const pack& a, const pack& b) { return quotient(a, b); }
  friend AGMOHD_HD pack operator+(R a, const pack& b) { return all(a) + b; }
  friend AGMOHD_HD pack operator-(R a, const pack& b) { return all(a) - b; }
  friend AGMOHD_HD pack operator*(R a, const pack& b) { return all(a) * b; }
  friend AGMOHD_HD pack operator/(R a, const pack& b) { return all(a) / b; }
  friend AGMOHD_HD pack operator+(const pack& a, R b) { return a + all(b); }
  friend AGMOHD_HD pack operator-(const pack& a, R b) { return a - all(b); }
  friend AGMOHD_HD pack operator*(const pack& a, R b) { return a * all(b); }
  friend AGMOHD_HD pack operator/(const pack& a, R b) { return a / all(b); }
  friend AGMOHD_HD mask operator<(const pack& a, const pack& b) {
    return make<mask>([&](int j) { return a.v[j] < b.v[j]; });
  }
  friend AGMOHD_HD mask operator>(const pack& a, const pack& b) {
    return make<mask>([&](int j) { return a.v[j] > b.v[j]; });
  }
  friend AGMOHD_HD mask operator<=(const pack& a, const pack& b) {
    return make<mask>([&](int j) { return a.v[j] <= b.v[j]; });
  }
  friend AGMOHD_HD mask operator>=(const pack& a, const pack& b) {
    return make<mask>([&](int j) { return a.v[j] >= b.v[j]; });
  }
  friend AGMOHD_HD mask operator==(const pack& a, const pack& b) {
    return make<mask>([&](int j) { return a.v[j] == b.v[j]; });
  }
  friend AGMOHD_HD mask operator!=(const pack& a, const pack& b) {
    return make<mask>([&](int j) { return a.v[j] != b.v[j]; });
  }

  AGMOHD_HD static pack quotient(const pack& a, const pack& b);
  AGMOHD_HD static pack root(const pack& x);
};

/// a / b as the compiler's own division computes it where it asks no further: an approximate
/// reciprocal, one step of Newton's, and a correction of the quotient by its remainder (Markstein
/// 1990). Correctly rounded where `ordinary` holds: then no step underflows or overflows. Elsewhere
/// the quotient is NaN, or too small (b >= 2^126, whose reciprocal is flushed to zero), or a is.
__device__ inline float quick_quotient(float a, float b, bool& ordinary) {
  float r;
  asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(r) : "f"(b));
  r = __fmaf_rn(r, __fmaf_rn(-b, r, 1.0F), r);
  const float q = __fmul_rn(a, r);
  const float out = __fmaf_rn(r, __fmaf_rn(-b, q, a), q);
  ordinary &= fabsf(out) >= 0x1p-126F;
  ordinary &= fabsf(a) >= 0x1p-102F;  // its remainders are no multiples of 2^-149 below that
  return out;
}
/// The same for square roots, of the compiler's own range: x in [2^-101, inf), where the remainder
/// is exact.
__device__ inline float quick_root(float x, bool& ordinary) {
  float r;
  asm("rsqrt.approx.ftz.f32 %0, %1;" : "=f"(r) : "f"(x));
  const float s = __fmul_rn(x, r);
  ordinary &= __float_as_uint(x) - 0x0d000000U <= 0x727fffffU;
  return __fmaf_rn(__fmaf_rn(-s, s, x), __fmul_rn(0.5F, r), s);
}

template <class R, int N>
AGMOHD_HD pack<R, N> pack<R, N>::quotient(const pack& a, const pack& b) {
#ifdef __CUDA_ARCH__
  if constexpr (std::is_same_v<R, float>) {
    bool ordinary = true;
    pack out = make([&](int j) { return quick_quotient(a.v[j], b.v[j], ordinary); });
    if (!ordinary) {
      out = make([&](int j) { return (a[j] / b[j]).v; });
    }
    return out;
  }
#endif
  return make([&](int j) { return (a[j] / b[j]).v; });
}
template <class R, int N>
AGMOHD_HD pack<R, N> pack<R, N>::root(const pack& x) {
  using Traits = number_traits<strict<R>>;
#ifdef __CUDA_ARCH__
  if constexpr (std::is_same_v<R, float>) {
    bool ordinary = true;
    pack out = make([&](int j) { return quick_root(x.v[j], ordinary); });
    if (!ordinary) {
      out = make([&](int j) { return Traits::sqrt(x[j]).v; });
    }
    return out;
  }
#endif
  return make([&](int j) { return Traits::sqrt(x[j]).v; });
}

}  // namespace agmohd::cuda

namespace agmohd {

template <class R, int N>
struct number_traits<cuda::pack<R, N>> {
  using real = R;
  using T = cuda::pack<R, N>;
  using One = number_traits<cuda::strict<R>>;
  AGMOHD_HD static T sqrt(const T& x) { return T::root(x); }
  AGMOHD_HD static T select(const typename T::mask& mask, const T& a, const T& b) {
    return T::make([&](int j) { return mask.v[j] ? a.v[j] : b.v[j]; });
  }
  AGMOHD_HD static T max(const T& a, const T& b) {
    return T::make([&](int j) { return One::max(a[j], b[j]).v; });
  }
  AGMOHD_HD static T min(const T& a, const T& b) {
    return T::make([&](int j) { return One::min(a[j], b[j]).v; });
  }
  AGMOHD_HD static T clamp(const T& a, const T& bound) {
    return T::make([&](int j) { return One::clamp(a[j], bound[j]).v; });
  }
  AGMOHD_HD static bool all(const typename T::mask& mask) {
    bool out = true;
    for (int j = 0; j < N; ++j) out = out & mask.v[j];
    return out;
  }
  AGMOHD_HD static T like(const T&, R r) { return T::all(r); }
  AGMOHD_HD static T centred(const T&, const random::Key& k, const Position& at) {
    return T::make([&](int j) { return R(random::centred(k, at.first + j * at.step)); });
  }
};
static_assert(Number<cuda::pack<float, 4>> && Number<cuda::pack<double, 4>>);

}  // namespace agmohd
