// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <type_traits>

#include "number.hpp"

namespace agmohd {

/// Element types of parameters and gradients. Arithmetic and state are float, for f64 double.
enum class Dtype : std::uint8_t { f32, f64, bf16, f16 };

constexpr int size_of(Dtype dtype) { return dtype == Dtype::f64 ? 8 : dtype == Dtype::f32 ? 4 : 2; }

/// A bfloat16 in memory (std::bit_cast is host-only under nvcc, its builtin is not). Rounding is to
/// nearest even; every NaN becomes a quiet one.
struct Bf16 {
  std::uint16_t bits;

  AGMOHD_HD static float widen(std::uint32_t bits) { return __builtin_bit_cast(float, bits << 16); }
  AGMOHD_HD static std::uint16_t narrow(float x) {
    const auto u = __builtin_bit_cast(std::uint32_t, x);
    if ((u & 0x7fffffffU) > 0x7f800000U) return 0x7fc0;
    return std::uint16_t((u + 0x7fffU + ((u >> 16) & 1U)) >> 16);
  }
};

/// An IEEE half in memory; the backends convert it.
struct F16 {
  std::uint16_t bits;
};

/// What a slot of a parameter of element type E is in memory.
template <class Storage, class E>
using Stored = std::conditional_t<std::is_same_v<E, double>, double, typename Storage::Float>;

/// How many neighbours a thread or vector works on together, in what is added; see
/// step/reduction.hpp.
template <class Recipe, class E>
inline constexpr int bundle_size = sizeof(E) == 2 &&
                                           (Recipe::slot_count == 0 ||
                                            sizeof(Stored<typename Recipe::Storage, E>) == 2)
                                       ? 8
                                       : 4;

/// The fields of a rule's slots by position: calls f(i, slot).
template <int N, class Slots, class F>
AGMOHD_HD void for_each_slot(Slots& s, F f) {
  static_assert(N <= 5, "agmohd: a rule may have at most five slots");
  if constexpr (N == 1) {
    auto& [a] = s;
    f(0, a);
  } else if constexpr (N == 2) {
    auto& [a, b] = s;
    f(0, a), f(1, b);
  } else if constexpr (N == 3) {
    auto& [a, b, c] = s;
    f(0, a), f(1, b), f(2, c);
  } else if constexpr (N == 4) {
    auto& [a, b, c, d] = s;
    f(0, a), f(1, b), f(2, c), f(3, d);
  } else if constexpr (N == 5) {
    auto& [a, b, c, d, e] = s;
    f(0, a), f(1, b), f(2, c), f(3, d), f(4, e);
  }
}

}  // namespace agmohd
