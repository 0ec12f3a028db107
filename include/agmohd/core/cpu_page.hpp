// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <c10/util/Half.h>

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "elements.hpp"
#include "reduction.hpp"
#include "vec.hpp"

// The CPU's inner loops over one page: measure and sweep, vectorised with a scalar tail of the same
// arithmetic.
namespace agmohd::cpu {

template <class E>
using Compute = std::conditional_t<std::is_same_v<E, double>, double, float>;

inline float widen(Bf16 x) { return Bf16::widen(x.bits); }
inline float widen(F16 x) { return c10::detail::fp16_ieee_to_fp32_value(x.bits); }
inline void narrow(float x, Bf16& out) { out.bits = Bf16::narrow(x); }
inline void narrow(float x, F16& out) { out.bits = c10::detail::fp16_ieee_from_fp32_value(x); }

/// V: a vec or a scalar of E's computing type.
template <class V, class E>
V load(const E* from) {
  V x;
  if constexpr (std::is_floating_point_v<E>) {
    std::memcpy(&x, from, sizeof x);
  } else {
    float wide[sizeof(V) / sizeof(float)];
    for (std::size_t i = 0; i < sizeof(V) / sizeof(float); ++i) wide[i] = widen(from[i]);
    std::memcpy(&x, wide, sizeof x);
  }
  return x;
}

template <class V, class E>
void store(E* to, const V& x) {
  if constexpr (std::is_floating_point_v<E>) {
    std::memcpy(to, &x, sizeof x);
  } else {
    float wide[sizeof(V) / sizeof(float)];
    std::memcpy(wide, &x, sizeof x);
    for (std::size_t i = 0; i < sizeof(V) / sizeof(float); ++i) narrow(wide[i], to[i]);
  }
}

/// Everything about a page that the loops need.
template <class Recipe, class E>
struct Page {
  E* param;
  const E* grad;
  Compute<E>* slots[Recipe::slot_count > 0 ? Recipe::slot_count : 1];  // null: not used
  std::int64_t count;
};

template <class Recipe, class V, class E, class K>
void sweep_at(const Page<Recipe, E>& page, std::int64_t i, const K& k) {
  typename Recipe::template Slots<V> s{};
  for_each_slot<Recipe::slot_count>(s, [&](int j, V& slot) {
    if (page.slots[j] != nullptr) slot = load<V>(page.slots[j] + i);
  });
  const V p = Recipe::sweep(load<V>(page.param + i), load<V>(page.grad + i), s, k);
  store(page.param + i, p);
  for_each_slot<Recipe::slot_count>(s, [&](int j, V& slot) {
    if (page.slots[j] != nullptr) store(page.slots[j] + i, slot);
  });
}

template <class Recipe, class E, class K>
void sweep_page(const Page<Recipe, E>& page, const K& k) {
  using V = vec<Compute<E>>;
  std::int64_t i = 0;
  for (; i + V::size <= page.count; i += V::size) sweep_at<Recipe, V>(page, i, k);
  for (; i < page.count; ++i) sweep_at<Recipe, Compute<E>>(page, i, k);
}

/// The squares and the largest magnitudes of one column block, rows added in order. Rows past the
/// page do not exist.
template <class Recipe, class V, class E>
void measure_columns(const Page<Recipe, E>& page, std::int64_t column, Compute<E>* sum,
                     auto* magnitude, const typename Recipe::Shared& o) {
  using B = typename vec<Compute<E>>::bits;
  constexpr B mask = B(~(std::make_unsigned_t<B>(1) << (8 * sizeof(B) - 1)));
  V s{};
  if constexpr (std::is_floating_point_v<V>) {
    B most = 0;
    for (std::int64_t i = column; i < page.count; i += reduction::kRow) {
      const V g = Recipe::measured(load<V>(page.grad + i), o);
      s = s + g * g;
      most = std::max(most, B(std::bit_cast<B>(g) & mask));
    }
    *magnitude = std::bit_cast<std::make_unsigned_t<B>>(most);
  } else {
    typename V::mask_half lo{}, hi{};
    for (std::int64_t i = column; i + V::size <= page.count; i += reduction::kRow) {
      const V g = Recipe::measured(load<V>(page.grad + i), o);
      s = s + g * g;
      const auto a = typename V::mask_half(g.lo) & mask, b = typename V::mask_half(g.hi) & mask;
      const auto more_lo = a > lo, more_hi = b > hi;
      lo = (a & more_lo) | (lo & ~more_lo);
      hi = (b & more_hi) | (hi & ~more_hi);
    }
    std::memcpy(magnitude, &lo, sizeof lo);
    std::memcpy(magnitude + V::size / 2, &hi, sizeof hi);
  }
  std::memcpy(sum, &s, sizeof s);
}

/// (a0 + a1) + (a2 + a3) and the largest magnitude of the four columns of each lane. `lanes` is a
/// multiple of four.
inline void fold_lanes(const double* sum, const std::uint64_t* magnitude, int lanes, double* out,
                       std::uint64_t* most) {
  for (int l = 0; l < lanes; ++l, sum += 4, magnitude += 4) {
    out[l] = (sum[0] + sum[1]) + (sum[2] + sum[3]);
    most[l] = std::max({magnitude[0], magnitude[1], magnitude[2], magnitude[3]});
  }
}
inline void fold_lanes(const float* sum, const std::uint32_t* magnitude, int lanes, double* out,
                       std::uint32_t* most) {
  using F = vec<float>::half;
  using I = vec<float>::mask_half;
  typedef double D __attribute__((vector_size(32)));
  for (int l = 0; l < lanes; l += 4) {
    F f[4];
    I m[4];
    std::memcpy(f, sum + 4 * l, sizeof f);
    std::memcpy(m, magnitude + 4 * l, sizeof m);
    const auto pairs = [](const auto& x, const auto& y, auto combine) {  // of neighbours
      return combine(__builtin_shufflevector(x, y, 0, 2, 4, 6),
                     __builtin_shufflevector(x, y, 1, 3, 5, 7));
    };
    const auto add = [](const F& a, const F& b) { return a + b; };
    const auto larger = [](const I& a, const I& b) { return (a & (a > b)) | (b & ~(a > b)); };
    const F total = pairs(pairs(f[0], f[1], add), pairs(f[2], f[3], add), add);
    const I peak = pairs(pairs(m[0], m[1], larger), pairs(m[2], m[3], larger), larger);
    const D wide = __builtin_convertvector(total, D);
    std::memcpy(out + l, &wide, sizeof wide);
    std::memcpy(most + l, &peak, sizeof peak);
  }
}

template <class Recipe, class E>
reduction::Partial measure_page(const Page<Recipe, E>& page, const typename Recipe::Shared& o) {
  using namespace reduction;
  using R = Compute<E>;
  using V = vec<R>;
  using Magnitude = std::make_unsigned_t<typename V::bits>;
  alignas(64) R sum[kRow];
  alignas(64) Magnitude magnitude[kRow];
  // Columns whose rows are all whole vectors, then the ragged end one element at a time.
  const std::int64_t columns = std::min<std::int64_t>(page.count, kRow);
  const std::int64_t ragged = page.count % V::size;
  const std::int64_t cut =
      ragged == 0 ? columns : (page.count - ragged) % kRow;  // the block that holds the ragged end
  for (std::int64_t c = 0; c < columns; c += V::size) {
    if (ragged != 0 && c == cut) continue;
    measure_columns<Recipe, V>(page, c, sum + c, magnitude + c, o);
  }
  if (ragged != 0) {
    for (std::int64_t c = cut; c < std::min<std::int64_t>(cut + V::size, columns); ++c) {
      measure_columns<Recipe, R>(page, c, sum + c, magnitude + c, o);
    }
  }

  const int used = int(columns + 15) / 16 * 4;  // lanes, in fours
  for (std::int64_t c = columns; c < 4 * used; ++c) {
    sum[c] = 0;
    magnitude[c] = 0;
  }
  double lanes[kLanes];
  Magnitude lane_magnitude[kLanes];
  fold_lanes(sum, magnitude, used, lanes, lane_magnitude);
  Partial out{0, 0, 0};
  Magnitude most = 0;
  for (int lane = 0; lane < used; ++lane) {
    most = std::max(most, lane_magnitude[lane]);
    if (!extreme(lane_magnitude[lane])) continue;
    double rescued = 0;
    for (std::int64_t row = 4 * lane; row < page.count; row += kRow) {
      for (std::int64_t i = row; i < std::min<std::int64_t>(row + 4, page.count); ++i) {
        const double g = double(Recipe::measured(load<R>(page.grad + i), o));
        rescued += g * g;
        if (!(g - g == 0)) ++out.nonfinite;
      }
    }
    if constexpr (sizeof(R) == 4) lanes[lane] = rescued;
  }
  out.norm2 = butterfly(lanes, used);
  out.max_abs = double(std::bit_cast<R>(most));
  return out;
}

}  // namespace agmohd::cpu
