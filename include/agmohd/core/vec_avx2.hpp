// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <concepts>
#include <cstdint>
#include <type_traits>

#include "lane.hpp"

// Units of one program may be compiled with different options: nothing here depends on them.
#if defined(__x86_64__) && defined(__GNUC__)
#define AGMOHD_HAS_AVX2
#define AGMOHD_AVX2 __attribute__((target("avx2")))

#include <immintrin.h>

namespace agmohd {

/// The CPU's lane where the processor has AVX2: 64 bytes of floats or doubles as two vectors of 32.
/// Whatever the including unit is compiled for, these operators are compiled for AVX2: a function
/// that is not would get each vector in halves of 16 bytes before it is inlined. A struct of 64
/// bytes is passed in memory with AVX and without, so that it does not matter what is inlined;
/// hence no function here takes or returns a bare vector.
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

template <std::floating_point R>
struct lane_traits<vec_avx2<R>> {
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
};

}  // namespace agmohd
#endif
