// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <type_traits>

#include "../gradient/gradient.hpp"
#include "../policy/number.hpp"

// Medians over a tensor, for gradient::MedianFilter. Magnitudes are ordered as their bits are, NaN
// above all, so that a median is found digit by digit from the highest bits on, by counting how
// many elements have which digit: integers, which every backend counts alike.
namespace agmohd::reduction {

/// Magnitudes of float and double as integers.
template <class R>
using Bits = std::conditional_t<sizeof(R) == 4, std::uint32_t, std::uint64_t>;

inline constexpr int kDigitBits = 11;
inline constexpr int kDigits = 1 << kDigitBits;  // values of a digit

/// How many digits a magnitude has.
template <class R>
inline constexpr int digits_of = (8 * int(sizeof(R)) - 1 + kDigitBits - 1) / kDigitBits;

/// Digit `number` of a magnitude, counted from the highest: the bits from `shift` on, up to `end`.
struct Digit {
  int shift, end;

  template <class R>
  AGMOHD_HD static Digit of(int number) {
    const int end = 8 * int(sizeof(R)) - 1 - number * kDigitBits;
    return {end < kDigitBits ? 0 : end - kDigitBits, end};
  }
  /// Whether the digits before are those of `found`.
  template <class B>
  AGMOHD_HD bool continues(B bits, B found) const {
    return bits >> end == found >> end;
  }
  template <class B>
  AGMOHD_HD int value(B bits) const {
    return int(bits >> shift & ((B(1) << (end - shift)) - 1));
  }
};

/// The place of the median among `count` elements in their order, from 0: of two the lower.
AGMOHD_HD constexpr std::int64_t median_rank(std::int64_t count) { return (count - 1) / 2; }

/// A gradient without outliers, as the other transforms get it.
template <Number T>
AGMOHD_HD T filtered(const T& g, const gradient::Outliers& k) {
  using R = Real<T>;
  const T finite = g - g, instead = math::like(g, R(k.value));  // NaN where g is not finite
  const auto outlier = (math::abs(g) > math::like(g, R(k.bound))) & (finite == finite);
  const T replaced = math::select(g < math::like(g, R(0)), R(-1) * instead, instead);
  return math::select(outlier, replaced, g);
}

}  // namespace agmohd::reduction
