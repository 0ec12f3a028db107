// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <type_traits>

#include "number.hpp"

namespace agmohd {

/// Element types of parameters and gradients. A step computes in float, for f64 in double.
enum class Dtype : std::uint8_t { f32, f64, bf16, f16 };

constexpr int size_of(Dtype dtype) { return dtype == Dtype::f64 ? 8 : dtype == Dtype::f32 ? 4 : 2; }

/// A bfloat16 in memory: the upper half of a float's bits. narrow() rounds to nearest even, and
/// every NaN becomes a quiet one. (std::bit_cast is host-only under nvcc, its builtin is not.)
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

/// The type that a slot has in memory, for a parameter with elements of type E.
template <class Storage, class E>
using Stored = std::conditional_t<std::is_same_v<E, double>, double, typename Storage::Float>;

/// How many neighbouring elements are added to each other first where a sweep measures: 8 if
/// parameter and state have 2 bytes an element, else 4. See step/reduction.hpp.
template <class Recipe, class E>
inline constexpr int bundle_size = sizeof(E) == 2 &&
                                           (Recipe::slot_count == 0 ||
                                            sizeof(Stored<typename Recipe::Storage, E>) == 2)
                                       ? 8
                                       : 4;

/// Calls f(i, slot) for each of the N members of a rule's Slots, in order. Slots{inner, own} are
/// those of the rule inside, and one more.
template <int N, class Slots, class F>
AGMOHD_HD void for_each_slot(Slots& s, F f) {
  static_assert(N <= 5, "agmohd: a rule may have at most five slots");
  if constexpr (requires { s.inner, s.own; }) {
    for_each_slot<N - 1>(s.inner, f);
    f(N - 1, s.own);
  } else if constexpr (N == 1) {
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
