// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "compiler.hpp"

#include <cmath>
#include <concepts>
#include <limits>
#include <utility>

// Marks what runs on the host and, where nvcc compiles, on the device. Headers test the compiler
// here and nowhere else, so that they are token-identical in every translation unit.
#ifdef __CUDACC__
#define AGMOHD_HD __host__ __device__
#else
#define AGMOHD_HD
#endif

namespace agmohd {

/// A number type is what a policy's arithmetic runs on: a scalar, a SIMD vector, a strict device
/// float or an at::Tensor. `number_traits<T>` names its real (the precision of coefficients) and
/// what operators cannot express.
template <class T>
struct number_traits;

/// The scalars, float and double.
template <std::floating_point T>
struct number_traits<T> {
  using real = T;
  AGMOHD_HD static T sqrt(T x) { return std::sqrt(x); }
  AGMOHD_HD static T select(bool mask, T a, T b) { return mask ? a : b; }
  /// The value that holds `r` everywhere, in the shape of `x`.
  AGMOHD_HD static T like(T /*x*/, real r) { return r; }
};

/// The precision of the coefficients of a number type: float for those of floats, double for double
/// and for tensors.
template <class T>
using Real = typename number_traits<T>::real;

template <class T>
concept Number = requires(const T a, const Real<T> r) {
  { a* a + a - a / a } -> std::convertible_to<T>;
  { r* a } -> std::convertible_to<T>;
  { number_traits<T>::sqrt(a) } -> std::convertible_to<T>;
  { number_traits<T>::select(a > a, a, a) } -> std::convertible_to<T>;
  { number_traits<T>::like(a, r) } -> std::convertible_to<T>;
};

/// What a comparison of numbers returns: a bool, or one for each element. Its default is false.
template <class T>
using Mask = decltype(std::declval<const T&>() < std::declval<const T&>());

/// What the equations of policies may call. Every function is exact or correctly rounded, so that
/// all number types agree.
namespace math {

template <Number T>
AGMOHD_HD T sqrt(const T& x) {
  return number_traits<T>::sqrt(x);
}

/// mask ? a : b, element by element. A mask is what a comparison returns; masks combine
/// with `|` and `&`.
template <Number T, class Mask>
AGMOHD_HD T select(const Mask& mask, const T& a, const T& b) {
  return number_traits<T>::select(mask, a, b);
}

/// Whether a mask is true for all elements, for a branch around work that is seldom needed. A type
/// that would have to wait for the answer (at::Tensor) says false, so the branch must be a shortcut
/// only.
template <Number T>
AGMOHD_HD bool all(const Mask<T>& mask) {
  if constexpr (std::floating_point<T>) {
    return mask;
  } else if constexpr (requires { number_traits<T>::all(mask); }) {
    return number_traits<T>::all(mask);
  } else {
    return false;
  }
}

/// The number that is r in every element, with as many elements as x.
template <Number T>
AGMOHD_HD T like(const T& x, Real<T> r) {
  return number_traits<T>::like(x, r);
}

/// The larger one; NaN if either is, as torch.maximum.
template <Number T>
AGMOHD_HD T max(const T& a, const T& b) {
  if constexpr (requires { number_traits<T>::max(a, b); }) {
    return number_traits<T>::max(a, b);
  } else {
    return select((a > b) | (a != a), a, b);
  }
}

/// The smaller one; NaN if either is, as torch.minimum.
template <Number T>
AGMOHD_HD T min(const T& a, const T& b) {
  if constexpr (requires { number_traits<T>::min(a, b); }) {
    return number_traits<T>::min(a, b);
  } else {
    return select((a < b) | (a != a), a, b);
  }
}

/// The largest finite number. nvcc knows it as a constant of a namespace only.
template <class R>
inline constexpr R largest = std::numeric_limits<R>::max();

/// x within [-bound, bound]. NaN stays, and so do the bits of what is in range.
template <Number T>
AGMOHD_HD T clamp(const T& x, const T& bound) {
  if constexpr (requires { number_traits<T>::clamp(x, bound); }) {
    return number_traits<T>::clamp(x, bound);
  } else {
    const T low = Real<T>(-1) * bound;
    return select(x > bound, bound, select(x < low, low, x));
  }
}
template <Number T>
AGMOHD_HD T clamp(const T& x, Real<T> bound) requires(!std::same_as<T, Real<T>>) {
  // Where there is an instruction for it, the branch would cost more than it saves.
  if constexpr (!requires { number_traits<T>::clamp(x, x); }) {
    if (bound == std::numeric_limits<Real<T>>::infinity()) return x;
  }
  return clamp(x, like(x, bound));
}

/// The largest magnitude of a gradient that is squared: sums and differences of some still have
/// finite squares.
template <class R>
inline constexpr R largest_squared = R(sizeof(R) == 4 ? 0x1p60 : 0x1p508);

/// x, or if it is finite and beyond that bound, the bound. Else its square would be infinite, and
/// means of squares with it for good. What is not finite stays, for those who look for it.
template <Number T>
AGMOHD_HD T squarable(const T& x) {
  if constexpr (requires { number_traits<T>::squarable(x); }) {
    return number_traits<T>::squarable(x);
  } else {
    const T zero = like(x, Real<T>(0));
    return select(x - x != zero, x, clamp(x, like(x, largest_squared<Real<T>>)));
  }
}

/// -1, 0 or 1; NaN stays, as torch.sign.
template <Number T>
AGMOHD_HD T sign(const T& x) {
  const T zero = like(x, Real<T>(0));
  return select(x > zero, like(x, Real<T>(1)), select(x < zero, like(x, Real<T>(-1)), x));
}

template <Number T>
AGMOHD_HD T abs(const T& x) {
  return select(x < like(x, Real<T>(0)), Real<T>(-1) * x, x);
}

/// cos(pi x) for x in [0, 1], within 5e-16. As sin(pi (1/2 - x)) by its Taylor series, from
/// multiplications and additions only: the std::cos of host and device may differ in the last bit,
/// and so would schedules.
AGMOHD_HD inline double cos_pi(double x) {
  const double half_pi_offset = 3.14159265358979323846 * (0.5 - x);
  const double y = half_pi_offset * half_pi_offset;
  double sum = 0;
  for (int n = 21; n >= 1; n -= 2) sum = 1 - y / ((n + 1) * (n + 2)) * sum;
  return half_pi_offset * sum;
}

}  // namespace math

static_assert(Number<float> && Number<double>);

}  // namespace agmohd
