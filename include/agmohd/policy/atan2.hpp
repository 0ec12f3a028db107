// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "number.hpp"

namespace agmohd::math {

namespace detail {

/// The terms n to `last` of sum (-1)^n u^n / (2 n + 1), which is atan(t) / t at u = t^2, over u^n,
/// by Horner's rule.
template <int n, int last, Number T>
AGMOHD_HD T atan_series(const T& u) {
  constexpr auto c = Real<T>((n % 2 == 0 ? 1.0 : -1.0) / (2 * n + 1));
  if constexpr (n == last) {
    return like(u, c);
  } else {
    return c + u * atan_series<n + 1, last>(u);
  }
}

}  // namespace detail

/// The angle of (x, y) for x >= 0, in [-pi / 2, pi / 2], within 2.5e-7 of itself in float
/// and 4.5e-16 in double, if y / x does not underflow. y where y is 0; NaN where both are infinite.
/// From operations that all number types round alike, which std::atan2 is not: the Taylor series of
/// atan at t = a / b, a and b being the smaller and the larger of |y| and x, or where that is above
/// tan(pi / 8) at t = (a - b) / (a + b), whose angle is less by pi / 4.
template <Number T>
AGMOHD_HD T atan2(const T& y, const T& x) {
  using R = Real<T>;
  constexpr double kPi = 3.14159265358979323846, kTanPi8 = 0.41421356237309503;
  const T length = abs(y), small = min(length, x), large = max(length, x);
  const auto upper = small > R(kTanPi8) * large;
  const T t = select(upper, T(small - large), small) / select(upper, T(small + large), large);
  // t^2 <= 0.172: the first term left out is less than 3e-8 and 2e-17 of the sum.
  constexpr int kTerms = sizeof(R) == 4 ? 8 : 20;
  T angle = t * detail::atan_series<0, kTerms>(T(t * t));
  angle = select(upper, T(R(kPi / 4) + angle), angle);
  angle = select(length > x, T(R(kPi / 2) - angle), angle);
  const T zero = like(y, R(0));
  return select(y == zero, y, select(y < zero, T(R(-1) * angle), angle));
}

}  // namespace agmohd::math
