// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <concepts>
#include <cstdint>
#include <cstring>
#include <limits>
#include <type_traits>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif
#if defined(__aarch64__)
#include <arm_neon.h>
#endif

#include "../policy/random.hpp"

namespace agmohd {

/// The CPU's number type: 32 bytes of floats or doubles as two 16-byte vectors. Halves of 16 bytes,
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
  /// Stores the elements as doubles.
  void widen(double* to) const {
    typedef R two __attribute__((vector_size(2 * sizeof(R))));
    typedef double doubles __attribute__((vector_size(16)));
    for (int i = 0; i < size; i += 2) {
      two x;
      std::memcpy(&x, reinterpret_cast<const R*>(this) + i, sizeof x);
      const doubles y = __builtin_convertvector(x, doubles);
      std::memcpy(to + i, &y, sizeof y);
    }
  }

  /// The largest magnitudes so far, as bits, element by element.
  struct magnitudes {
    mask_half lo, hi;
    void take(const vec& x) {
      constexpr bits magnitude = std::numeric_limits<bits>::max();  // all but the sign
      take(magnitudes{mask_half(x.lo) & magnitude, mask_half(x.hi) & magnitude});
    }
    void take(const magnitudes& x) {
      lo = x.lo > lo ? x.lo : lo;
      hi = x.hi > hi ? x.hi : hi;
    }
    /// Whether one is not zero, and not in [least, most).
    bool beyond(bits least, bits most) const {
      const mask_half m =
          (lo >= most) | (hi >= most) | ((lo < least) & (lo != 0)) | ((hi < least) & (hi != 0));
      std::uint64_t words[2];
      std::memcpy(words, &m, sizeof words);
      return (words[0] | words[1]) != 0;
    }
  };

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

namespace detail {

typedef std::uint32_t four_words __attribute__((vector_size(16)));
typedef std::int32_t four_integers __attribute__((vector_size(16)));

/// random::centred() of four elements from `element` on, a multiple of four: no carry within them.
inline four_integers centred_four(const random::Key& k, std::int64_t element) {
  const four_words low = std::uint32_t(element) + four_words{0, 1, 2, 3};
  const four_words a =
      random::own_bits(k, random::bits(k, low, std::uint32_t(std::uint64_t(element) >> 32)));
  return four_integers(random::sum_of_halves(a, random::more_bits(a))) - random::kMean;
}

}  // namespace detail

template <std::floating_point R>
struct number_traits<vec<R>> {
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

  static vec<R> centred(const vec<R>&, const random::Key& k, const Position& at) {
    const auto first = detail::centred_four(k, at.first);
    if constexpr (sizeof(R) == 4) {
      const auto second = detail::centred_four(k, at.first + 4);
      return {__builtin_convertvector(first, half), __builtin_convertvector(second, half)};
    } else {
      return {__builtin_convertvector(__builtin_shufflevector(first, first, 0, 1), half),
              __builtin_convertvector(__builtin_shufflevector(first, first, 2, 3), half)};
    }
  }
};
static_assert(Number<vec<float>> && Number<vec<double>>);

}  // namespace agmohd
