// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "chunk.hpp"
#include "vec.hpp"

// How many gradients of a chunk are not finite, before it is written: while it is in the cache, or
// on its way there.
namespace agmohd::cpu {

/// The exponent of an element type, all of whose bits are set in NaN and infinities.
template <class E>
constexpr auto exponent_bits() {
  if constexpr (std::is_same_v<E, float>) {
    return std::uint32_t{0x7f800000};
  } else if constexpr (std::is_same_v<E, double>) {
    return std::uint64_t{0x7ff0000000000000};
  } else {
    return std::uint16_t(std::is_same_v<E, Bf16> ? 0x7f80 : 0x7c00);
  }
}

/// Whether x[0 .. count) are finite; false also where the last 64 bytes are not whole.
template <class E>
bool all_finite(const E* x, std::int64_t count) {
  using B = decltype(exponent_bits<E>());
  static_assert(sizeof(B) == sizeof(E));
  typedef B V __attribute__((vector_size(16)));
  constexpr int kSize = sizeof(V) / sizeof(B);
  constexpr B exponent = exponent_bits<E>();
  if (count % (4 * kSize) != 0) return false;
  V any[4] = {};
  for (std::int64_t i = 0; i < count; i += 4 * kSize) {
    V bits[4];
    std::memcpy(&bits, x + i, sizeof bits);
    for (int j = 0; j < 4; ++j) any[j] |= V((bits[j] & exponent) == exponent);
  }
  const V all = (any[0] | any[1]) | (any[2] | any[3]), none{};
  return std::memcmp(&all, &none, sizeof all) == 0;
}
/// The same of elements of a chunk, with the values of their rows.
template <class Recipe, class E>
bool all_finite(const Chunk<Recipe, E>& chunk, std::int64_t begin, std::int64_t end) {
  if constexpr (!Recipe::rows) {
    return all_finite(chunk.grad + begin, end - begin);
  } else {
    using V = vec<Compute<E>>;
    if ((end - begin) % V::size != 0) return false;
    V sum{};
    for (std::int64_t i = begin; i < end; i += V::size) {
      const V g = grad_at<V>(chunk, i);
      sum = sum + (g - g);  // NaN where a gradient is not finite, else 0
    }
    Compute<E> lanes[V::size];
    store(lanes, sum);
    return std::all_of(lanes, lanes + V::size, [](auto lane) { return lane == 0; });
  }
}

template <class Recipe, class E>
std::int64_t zeroed(const Chunk<Recipe, E>& chunk) {
  constexpr std::int64_t kBlock =
      512;  // elements that are looked at once more if one is not finite
  std::int64_t found = 0;
  for (std::int64_t begin = 0; begin < chunk.count; begin += kBlock) {
    const std::int64_t end = std::min(begin + kBlock, chunk.count);
    if (all_finite(chunk, begin, end)) continue;
    for (std::int64_t i = begin; i < end; ++i) {
      const auto g = grad_at<Compute<E>>(chunk, i);
      if (!(g - g == 0)) ++found;
    }
  }
  return found;
}

}  // namespace agmohd::cpu
