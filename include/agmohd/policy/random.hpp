// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "number.hpp"

// Random numbers by counters: what an element gets is a function of (seed, updates, parameter,
// element), so that it is the same in every pass of a step, on every device, in a CUDA graph and
// after a resume.
namespace agmohd {

/// What the random numbers of one tensor in one step are drawn for; and its group.
struct Draw {
  std::int64_t updates = 0;  ///< applied steps of the optimizer before this one
  /// The parameter's number over all groups, in 32 bits. Above them is the number of its group, in
  /// recipes that look at it: no random number depends on that.
  std::int64_t index = 0;
  AGMOHD_HD std::int64_t group() const { return index >> 32; }
};

/// The elements of a tensor that a number stands for: `first`, first + step, ..., in the order of
/// memory.
struct Position {
  std::int64_t first = 0;
  std::int32_t step = 1;
};

namespace random {

/// lowbias32, a bijection with little bias: C. Wellons, "Prospecting for Hash Functions", 2018,
/// https://nullprogram.com/blog/2018/07/31/. U: 32 bits or a vector of them.
template <class U>
AGMOHD_HD U mix(U x) {
  x = (x ^ (x >> 16)) * 0x7feb352dU;
  x = (x ^ (x >> 15)) * 0x846ca68bU;
  return x ^ (x >> 16);
}

inline constexpr std::uint32_t kGolden = 0x9e3779b9U;  // 2^32 / golden ratio

/// What random numbers are for: with the same seed, none tell of the others.
enum class Purpose : std::uint32_t { rounding, noise };

/// What the random numbers of a tensor in a step are made of.
struct Key {
  std::uint32_t element, word;
};
AGMOHD_HD inline Key key(std::int64_t seed, const Draw& draw, Purpose purpose) {
  const std::uint32_t words[] = {
      std::uint32_t(seed), std::uint32_t(std::uint64_t(seed) >> 32), std::uint32_t(draw.updates),
      std::uint32_t(std::uint64_t(draw.updates) >> 32), std::uint32_t(draw.index)};
  Key k{kGolden + std::uint32_t(purpose), (kGolden << 1U) - std::uint32_t(purpose)};
  for (const std::uint32_t word : words) {
    k.element = mix(k.element ^ word) + kGolden;
    k.word = mix(k.word + word) ^ kGolden;
  }
  return k;
}

/// 32 bits of an element, whose number has the words `low` and `high`: enough for a choice that
/// only has to be right in the mean. Those of two keys are the same sequence from different places
/// on.
template <class U>
AGMOHD_HD U bits(const Key& k, U low, std::uint32_t high) {
  return mix(low + (k.element + high * kGolden));
}
/// 32 random bits, of what bits() gave: here keys have sequences of their own.
template <class U>
AGMOHD_HD U own_bits(const Key& k, U bits) {
  return mix(bits ^ k.word);
}
/// Further 32 bits, of what own_bits() gave.
template <class U>
AGMOHD_HD U more_bits(U own) {
  return mix(own + kGolden);
}

/// The sum of the four halves of two words.
template <class U>
AGMOHD_HD U sum_of_halves(U a, U b) {
  return (a >> 16) + (a & 0xffffU) + (b >> 16) + (b & 0xffffU);
}
inline constexpr std::int32_t kMean = 2 * 0xffff;  ///< of sum_of_halves()

/// sum_of_halves() of one element, less its mean.
AGMOHD_HD inline std::int32_t centred(const Key& k, std::int64_t element) {
  const std::uint32_t a =
      own_bits(k, bits(k, std::uint32_t(element), std::uint32_t(std::uint64_t(element) >> 32)));
  return std::int32_t(sum_of_halves(a, more_bits(a))) - kMean;
}

/// What `centred` is of each element of T, as a number, which holds it exactly.
template <Number T>
AGMOHD_HD T centred(const T& like, const Key& k, const Position& at) {
  if constexpr (std::floating_point<T>) {
    return T(centred(k, at.first));
  } else {
    return number_traits<T>::centred(like, k, at);
  }
}

/// A number of the standard normal distribution for each element of T, `like` telling their number;
/// |x| < 5.2. The sum s of four uniforms in (-1/2, 1/2), each of 16 bits, by an odd polynomial in s
/// that makes it normal, after Teichroew (Knuth, The Art of Computer Programming 2, 3.4.1). Its
/// coefficients are a least-squares fit of ours: the variance is 1, the kurtosis 2.9998, and the
/// distribution function is right within 1.7e-4.
template <Number T>
AGMOHD_HD T normal(const T& like, const Key& k, const Position& at) {
  using R = Real<T>;
  const T s = R(1.0 / 65536) * centred(like, k, at);
  const T y = s * s;
  return s * (R(1.6666480745619405) +
              y * (R(0.049536146985804774) +
                   y * (R(0.025564722647913204) +
                        y * (R(-0.015518753213035658) + R(0.0050774923778000615) * y))));
}

}  // namespace random

}  // namespace agmohd
