// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <concepts>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "../policy/random.hpp"

// Units of one program may be compiled with different options: nothing here depends on them.
#if defined(__x86_64__) && defined(__GNUC__)
#define AGMOHD_HAS_AVX2
#define AGMOHD_AVX2 __attribute__((target("avx2")))

#include <immintrin.h>

namespace agmohd {

/// The CPU's number type where the processor has AVX2: 64 bytes of floats or doubles as two vectors
/// of 32. Whatever the including unit is compiled for, these operators are compiled for AVX2: a
/// function that is not would get each vector in halves of 16 bytes before it is inlined. A struct
/// of 64 bytes is passed in memory with AVX and without, so that it does not matter what is
/// inlined; hence no function here takes or returns a bare vector.
template <std::floating_point R>
struct vec_avx2 {
  using real = R;
  using bits = std::conditional_t<sizeof(R) == 4, std::int32_t, std::int64_t>;
  typedef R half __attribute__((vector_size(32)));
  typedef bits mask_half __attribute__((vector_size(32)));
  static constexpr int size = 64 / sizeof(R);

  struct mask {
    mask_half lo, hi;
    mask() = default;
    AGMOHD_AVX2 mask(const mask_half& l, const mask_half& h) : lo(l), hi(h) {}
    AGMOHD_AVX2 mask(const mask& x) : lo(x.lo), hi(x.hi) {}
    AGMOHD_AVX2 mask& operator=(const mask& x) {
      lo = x.lo, hi = x.hi;
      return *this;
    }
    AGMOHD_AVX2 friend mask operator|(const mask& a, const mask& b) {
      return {a.lo | b.lo, a.hi | b.hi};
    }
    AGMOHD_AVX2 friend mask operator&(const mask& a, const mask& b) {
      return {a.lo & b.lo, a.hi & b.hi};
    }
  };

  half lo, hi;

  vec_avx2() = default;
  AGMOHD_AVX2 vec_avx2(const half& l, const half& h) : lo(l), hi(h) {}
  // Not the compiler's: GCC copies by 8 and 16 bytes, which the next load of 32 has to wait for.
  AGMOHD_AVX2 vec_avx2(const vec_avx2& x) : lo(x.lo), hi(x.hi) {}
  AGMOHD_AVX2 vec_avx2& operator=(const vec_avx2& x) {
    lo = x.lo, hi = x.hi;
    return *this;
  }

  AGMOHD_AVX2 static vec_avx2 load(const R* from) {
    vec_avx2 x;
    __builtin_memcpy(&x.lo, from, sizeof x.lo);
    __builtin_memcpy(&x.hi, from + size / 2, sizeof x.hi);
    return x;
  }
  AGMOHD_AVX2 void store(R* to) const {
    __builtin_memcpy(to, &lo, sizeof lo);
    __builtin_memcpy(to + size / 2, &hi, sizeof hi);
  }

  /// Sums of neighbours; of floats as the hardware shuffles, within 16 bytes.
  AGMOHD_AVX2 static void add_pairs(const vec_avx2& x, half& out) {
    if constexpr (sizeof(R) == 4) {
      out = __builtin_shufflevector(x.lo, x.hi, 0, 2, 8, 10, 4, 6, 12, 14) +
            __builtin_shufflevector(x.lo, x.hi, 1, 3, 9, 11, 5, 7, 13, 15);
    } else {
      out = __builtin_shufflevector(x.lo, x.hi, 0, 2, 4, 6) +
            __builtin_shufflevector(x.lo, x.hi, 1, 3, 5, 7);
    }
  }

  /// Of each bundle of 4 or 8 neighbours in memory the sum, in pairs.
  template <int bundle>
  AGMOHD_AVX2 static vec_avx2 bundles(const R* x) {
    vec_avx2 a, b, out;
    if constexpr (bundle == 4) {
      add_pairs(load(x), a.lo), add_pairs(load(x + size), a.hi);
      add_pairs(load(x + 2 * size), b.lo), add_pairs(load(x + 3 * size), b.hi);
    } else {
      a = bundles<4>(x), b = bundles<4>(x + 4 * size);
    }
    add_pairs(a, out.lo), add_pairs(b, out.hi);
    if constexpr (sizeof(R) == 4 && bundle == 4) {  // twice within 16 bytes
      out.lo = __builtin_shufflevector(out.lo, out.lo, 0, 4, 1, 5, 2, 6, 3, 7);
      out.hi = __builtin_shufflevector(out.hi, out.hi, 0, 4, 1, 5, 2, 6, 3, 7);
    } else if constexpr (sizeof(R) == 4) {  // once
      out.lo = __builtin_shufflevector(out.lo, out.lo, 0, 1, 4, 5, 2, 3, 6, 7);
      out.hi = __builtin_shufflevector(out.hi, out.hi, 0, 1, 4, 5, 2, 3, 6, 7);
    }
    return out;
  }
  /// The sum of all elements, as reduction::fold() adds.
  AGMOHD_AVX2 R folded() const {
    half x = lo + hi;
    if constexpr (sizeof(R) == 4) x += __builtin_shufflevector(x, x, 4, 5, 6, 7, 0, 1, 2, 3);
    if constexpr (sizeof(R) == 4) x += __builtin_shufflevector(x, x, 2, 3, 0, 1, 6, 7, 4, 5);
    if constexpr (sizeof(R) == 8) x += __builtin_shufflevector(x, x, 2, 3, 0, 1);
    return x[0] + x[1];
  }

  /// Stores the elements as doubles.
  AGMOHD_AVX2 void widen(double* to) const {
    typedef R four __attribute__((vector_size(4 * sizeof(R))));
    typedef double doubles __attribute__((vector_size(32)));
    for (int i = 0; i < size; i += 4) {
      four x;
      __builtin_memcpy(&x, reinterpret_cast<const R*>(this) + i, sizeof x);
      const doubles y = __builtin_convertvector(x, doubles);
      __builtin_memcpy(to + i, &y, sizeof y);
    }
  }

  /// The largest magnitudes so far, as bits, element by element.
  struct magnitudes {
    mask_half lo, hi;
    AGMOHD_AVX2 void take(const vec_avx2& x) {
      constexpr bits magnitude = std::numeric_limits<bits>::max();  // all but the sign
      const mask_half l = mask_half(x.lo) & magnitude, h = mask_half(x.hi) & magnitude;
      lo = l > lo ? l : lo;
      hi = h > hi ? h : hi;
    }
    AGMOHD_AVX2 void take(const magnitudes& x) {
      lo = x.lo > lo ? x.lo : lo;
      hi = x.hi > hi ? x.hi : hi;
    }
    /// Whether one is not zero, and not in [least, most).
    AGMOHD_AVX2 bool beyond(bits least, bits most) const {
      const mask_half m =
          (lo >= most) | (hi >= most) | ((lo < least) & (lo != 0)) | ((hi < least) & (hi != 0));
      return _mm256_movemask_epi8(__m256i(m)) != 0;
    }
  };

#define AGMOHD_OPERATOR(op)                                                       \
  AGMOHD_AVX2 friend vec_avx2 operator op(const vec_avx2& a, const vec_avx2& b) { \
    return {a.lo op b.lo, a.hi op b.hi};                                          \
  }                                                                               \
  AGMOHD_AVX2 friend vec_avx2 operator op(R a, const vec_avx2& b) {               \
    return {a op b.lo, a op b.hi};                                                \
  }                                                                               \
  AGMOHD_AVX2 friend vec_avx2 operator op(const vec_avx2& a, R b) { return {a.lo op b, a.hi op b}; }
#define AGMOHD_COMPARISON(op)                                                 \
  AGMOHD_AVX2 friend mask operator op(const vec_avx2& a, const vec_avx2& b) { \
    return {a.lo op b.lo, a.hi op b.hi};                                      \
  }
  // clang-format off
  AGMOHD_OPERATOR(+) AGMOHD_OPERATOR(-) AGMOHD_OPERATOR(*) AGMOHD_OPERATOR(/)
  AGMOHD_COMPARISON(<) AGMOHD_COMPARISON(>) AGMOHD_COMPARISON(<=) AGMOHD_COMPARISON(>=)
  AGMOHD_COMPARISON(==) AGMOHD_COMPARISON(!=)
// clang-format on
#undef AGMOHD_OPERATOR
#undef AGMOHD_COMPARISON
};

namespace detail {

typedef std::uint32_t eight_words __attribute__((vector_size(32)));
typedef std::int32_t eight_integers __attribute__((vector_size(32)));

/// random::mix() once more, which is not compiled for AVX2.
AGMOHD_AVX2 inline void mix_eight(eight_words& x) {
  x = (x ^ (x >> 16)) * 0x7feb352dU;
  x = (x ^ (x >> 15)) * 0x846ca68bU;
  x = x ^ (x >> 16);
}
/// random::centred() of eight elements from `element` on, a multiple of eight.
AGMOHD_AVX2 inline void centred_eight(const random::Key& k, std::int64_t element,
                                      eight_integers& out) {
  const auto high = std::uint32_t(std::uint64_t(element) >> 32);
  const std::uint32_t offset = k.element + high * random::kGolden;
  eight_words a = (std::uint32_t(element) + offset) + eight_words{0, 1, 2, 3, 4, 5, 6, 7};
  mix_eight(a);
  a = a ^ k.word;
  mix_eight(a);
  eight_words b = a + random::kGolden;
  mix_eight(b);
  out = eight_integers((a >> 16) + (a & 0xffffU) + (b >> 16) + (b & 0xffffU)) - random::kMean;
}

}  // namespace detail

template <std::floating_point R>
struct number_traits<vec_avx2<R>> {
  using real = R;
  using T = vec_avx2<R>;
  using half = typename T::half;

  AGMOHD_AVX2 static T sqrt(const T& x) {
    if constexpr (sizeof(R) == 4) {
      return {half(_mm256_sqrt_ps(__m256(x.lo))), half(_mm256_sqrt_ps(__m256(x.hi)))};
    } else {
      return {half(_mm256_sqrt_pd(__m256d(x.lo))), half(_mm256_sqrt_pd(__m256d(x.hi)))};
    }
  }
  AGMOHD_AVX2 static T select(const typename T::mask& m, const T& a, const T& b) {
    return {m.lo ? a.lo : b.lo, m.hi ? a.hi : b.hi};
  }
  AGMOHD_AVX2 static bool all(const typename T::mask& m) {
    return _mm256_movemask_epi8(__m256i(m.lo & m.hi)) == -1;
  }
  AGMOHD_AVX2 static T like(const T&, R r) {
    const half none{};
    return {r - none, r - none};  // keeps -0
  }

  AGMOHD_AVX2 static T centred(const T&, const random::Key& k, const Position& at) {
    T x;
    detail::eight_integers c;
    detail::centred_eight(k, at.first, c);
    if constexpr (sizeof(R) == 4) {
      x.lo = __builtin_convertvector(c, half);
      detail::centred_eight(k, at.first + 8, c);
      x.hi = __builtin_convertvector(c, half);
    } else {
      x.lo = __builtin_convertvector(__builtin_shufflevector(c, c, 0, 1, 2, 3), half);
      x.hi = __builtin_convertvector(__builtin_shufflevector(c, c, 4, 5, 6, 7), half);
    }
    return x;
  }
};

}  // namespace agmohd
#endif
