// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <concepts>
#include <cstdint>
#include <cstring>
#include <type_traits>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif
#if defined(__aarch64__)
#include <arm_neon.h>
#endif

#include "lane.hpp"

namespace agmohd {

/// The CPU's lane: 32 bytes of floats or doubles as two 16-byte vectors. Halves of 16 bytes,
/// because a function that returns a 32-byte vector has one ABI with AVX and another without, and
/// an unoptimised build does not inline. Where there is AVX2, vec_avx2 is used.
template <std::floating_point R>
struct vec {
  using real = R;
  using bits = std::conditional_t<sizeof(R) == 4, std::int32_t, std::int64_t>;
  typedef R half __attribute__((vector_size(16)));
  typedef bits mask_half __attribute__((vector_size(16)));
  static constexpr int size = 32 / sizeof(R);

  struct mask {
    mask_half lo, hi;
    friend mask operator|(const mask& a, const mask& b) { return {a.lo | b.lo, a.hi | b.hi}; }
    friend mask operator&(const mask& a, const mask& b) { return {a.lo & b.lo, a.hi & b.hi}; }
  };

  half lo, hi;

  /// Sums of neighbours: x0 + x1, x2 + x3, ..., y0 + y1, ...
  static half pairs(half x, half y) {
    if constexpr (sizeof(R) == 4) {
      return __builtin_shufflevector(x, y, 0, 2, 4, 6) + __builtin_shufflevector(x, y, 1, 3, 5, 7);
    } else {
      return __builtin_shufflevector(x, y, 0, 2) + __builtin_shufflevector(x, y, 1, 3);
    }
  }
  /// Of each bundle of 4 or 8 neighbours in memory the sum, in pairs.
  template <int bundle>
  static vec bundles(const R* x) {
    if constexpr (bundle == 8) {
      const vec a = bundles<4>(x), b = bundles<4>(x + 4 * size);
      return {pairs(a.lo, a.hi), pairs(b.lo, b.hi)};
    } else {
      half h[8];
      std::memcpy(h, x, sizeof h);
      return {pairs(pairs(h[0], h[1]), pairs(h[2], h[3])),
              pairs(pairs(h[4], h[5]), pairs(h[6], h[7]))};
    }
  }
  /// The sum of all elements, as reduction::fold() adds.
  R folded() const {
    half x = lo + hi;
    if constexpr (sizeof(R) == 4) x += __builtin_shufflevector(x, x, 2, 3, 0, 1);
    return x[0] + x[1];
  }
  static mask_half larger(mask_half a, mask_half b) { return a > b ? a : b; }
  static mask_half larger_pairs(mask_half x, mask_half y) {
    if constexpr (sizeof(R) == 4) {
      return larger(__builtin_shufflevector(x, y, 0, 2, 4, 6),
                    __builtin_shufflevector(x, y, 1, 3, 5, 7));
    } else {
      return larger(__builtin_shufflevector(x, y, 0, 2), __builtin_shufflevector(x, y, 1, 3));
    }
  }

  /// Stores the elements of a half as doubles.
  static void widen(half x, double* to) {
    typedef double pair __attribute__((vector_size(16)));
    if constexpr (sizeof(R) == 4) {
      typedef float two __attribute__((vector_size(8)));
      const pair low = __builtin_convertvector(two(__builtin_shufflevector(x, x, 0, 1)), pair);
      const pair high = __builtin_convertvector(two(__builtin_shufflevector(x, x, 2, 3)), pair);
      std::memcpy(to, &low, sizeof low);
      std::memcpy(to + 2, &high, sizeof high);
    } else {
      std::memcpy(to, &x, sizeof x);
    }
  }
  /// Whether a mask is true anywhere.
  static bool any(mask_half m) {
#if defined(__SSE2__)
    return _mm_movemask_epi8(__m128i(m)) != 0;
#else
    std::uint64_t words[2];
    std::memcpy(words, &m, sizeof words);
    return (words[0] | words[1]) != 0;
#endif
  }

  friend vec operator+(const vec& a, const vec& b) { return {a.lo + b.lo, a.hi + b.hi}; }
  friend vec operator-(const vec& a, const vec& b) { return {a.lo - b.lo, a.hi - b.hi}; }
  friend vec operator*(const vec& a, const vec& b) { return {a.lo * b.lo, a.hi * b.hi}; }
  friend vec operator/(const vec& a, const vec& b) { return {a.lo / b.lo, a.hi / b.hi}; }
  friend vec operator+(R a, const vec& b) { return {a + b.lo, a + b.hi}; }
  friend vec operator-(R a, const vec& b) { return {a - b.lo, a - b.hi}; }
  friend vec operator*(R a, const vec& b) { return {a * b.lo, a * b.hi}; }
  friend vec operator/(R a, const vec& b) { return {a / b.lo, a / b.hi}; }
  friend vec operator+(const vec& a, R b) { return {a.lo + b, a.hi + b}; }
  friend vec operator-(const vec& a, R b) { return {a.lo - b, a.hi - b}; }
  friend vec operator*(const vec& a, R b) { return {a.lo * b, a.hi * b}; }
  friend vec operator/(const vec& a, R b) { return {a.lo / b, a.hi / b}; }
  friend mask operator<(const vec& a, const vec& b) { return {a.lo < b.lo, a.hi < b.hi}; }
  friend mask operator>(const vec& a, const vec& b) { return {a.lo > b.lo, a.hi > b.hi}; }
  friend mask operator<=(const vec& a, const vec& b) { return {a.lo <= b.lo, a.hi <= b.hi}; }
  friend mask operator>=(const vec& a, const vec& b) { return {a.lo >= b.lo, a.hi >= b.hi}; }
  friend mask operator==(const vec& a, const vec& b) { return {a.lo == b.lo, a.hi == b.hi}; }
  friend mask operator!=(const vec& a, const vec& b) { return {a.lo != b.lo, a.hi != b.hi}; }
};

template <std::floating_point R>
struct lane_traits<vec<R>> {
  using real = R;
  using half = typename vec<R>::half;
  using mask_half = typename vec<R>::mask_half;

  static half sqrt(half x) {
#if defined(__SSE2__)
    if constexpr (sizeof(R) == 4) {
      return half(_mm_sqrt_ps(__m128(x)));
    } else {
      return half(_mm_sqrt_pd(__m128d(x)));
    }
#elif defined(__aarch64__)
    if constexpr (sizeof(R) == 4) {
      return half(vsqrtq_f32(float32x4_t(x)));
    } else {
      return half(vsqrtq_f64(float64x2_t(x)));
    }
#else
    for (unsigned i = 0; i < 16 / sizeof(R); ++i) x[i] = std::sqrt(x[i]);
    return x;
#endif
  }
  static half select(mask_half m, half a, half b) {
    return half((m & mask_half(a)) | (~m & mask_half(b)));
  }

  static vec<R> sqrt(const vec<R>& x) { return {sqrt(x.lo), sqrt(x.hi)}; }
  static vec<R> select(const typename vec<R>::mask& m, const vec<R>& a, const vec<R>& b) {
    return {select(m.lo, a.lo, b.lo), select(m.hi, a.hi, b.hi)};
  }
  static bool all(const typename vec<R>::mask& m) {
    const mask_half both = m.lo & m.hi;
#if defined(__SSE2__)
    return _mm_movemask_epi8(__m128i(both)) == 0xffff;
#else
    std::uint64_t words[2];
    std::memcpy(words, &both, sizeof words);
    return (words[0] & words[1]) == ~std::uint64_t{0};
#endif
  }
  static vec<R> like(const vec<R>&, R r) { return r - vec<R>{half{}, half{}}; }  // keeps -0
};
static_assert(Lane<vec<float>> && Lane<vec<double>>);

}  // namespace agmohd
