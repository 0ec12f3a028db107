// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "number.hpp"

// Powers of doubles from multiplications, additions and divisions only: the std::pow of host and
// device may differ in the last bit, and so would schedules.
namespace agmohd::math {

/// ln(x) within 1e-15 |ln(x)| + 2e-16, for a normal x > 0.
AGMOHD_HD inline double log(double x) {
  constexpr double kLn2High = 0x1.62e42fee00000p-1, kLn2Low = 0x1.a39ef35793c76p-33;
  auto bits = __builtin_bit_cast(std::uint64_t, x);
  auto exponent = std::int64_t(bits >> 52) - 1023;
  double m = __builtin_bit_cast(double, (bits & 0xfffffffffffffULL) | 0x3ff0000000000000ULL);
  if (m > 1.4142135623730951) {
    m /= 2;
    exponent += 1;
  }
  // ln(m) = 2 artanh(s) by its Taylor series, |s| <= 0.172.
  const double s = (m - 1) / (m + 1), y = s * s;
  double sum = 0;
  for (int n = 23; n >= 1; n -= 2) sum = 1.0 / n + y * sum;
  const double e = double(exponent);
  return e * kLn2High + (e * kLn2Low + 2 * s * sum);
}

/// e^x within 1e-15 of itself; 0 and infinity beyond the normal numbers.
AGMOHD_HD inline double exp(double x) {
  constexpr double kLn2High = 0x1.62e42fee00000p-1, kLn2Low = 0x1.a39ef35793c76p-33;
  if (!(x < 709.7)) return x != x ? x : __builtin_huge_val();
  if (x < -708) return 0;
  const auto exponent = std::int64_t(x / (kLn2High + kLn2Low) + (x < 0 ? -0.5 : 0.5));
  const double e = double(exponent), r = (x - e * kLn2High) - e * kLn2Low;  // |r| <= 0.35
  double sum = 1;
  for (int n = 14; n >= 1; --n) sum = 1 + r / n * sum;
  return sum * __builtin_bit_cast(double, std::uint64_t(exponent + 1023) << 52);
}

/// x^n for n of at least 1, by n - 1 products.
template <class T>
AGMOHD_HD T power(const T& x, std::int64_t n) {
  T y = x;
  for (; n > 1; --n) y = y * x;
  return y;
}

/// x^a within (2 + |a ln(x)|) 1e-15 of itself, for a normal x > 0.
AGMOHD_HD inline double pow(double x, double a) { return exp(a * log(x)); }

}  // namespace agmohd::math
