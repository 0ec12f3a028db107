// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "chunk.hpp"
#include "vec.hpp"

namespace agmohd::cpu {

/// How many gradients of a chunk are not finite; before it is written, while it is in the cache or
/// on its way there.
template <class Recipe, class E>
std::int64_t zeroed(const Chunk<Recipe, E>& chunk) {
  using R = Compute<E>;
  using V = vec<R>;
  const auto count = [&chunk](std::int64_t begin, std::int64_t end) {
    std::int64_t found = 0;
    for (std::int64_t i = begin; i < end; ++i) {
      const R g = grad_at<R>(chunk, i);
      if (!(g - g == 0)) ++found;
    }
    return found;
  };
  const auto none = [&chunk](std::int64_t i) {  // NaN where a gradient is not finite, else 0
    const V g = grad_at<V>(chunk, i);
    return g - g;
  };
  V sum{};
  std::int64_t i = 0;
  for (; i + 4 * V::size <= chunk.count; i += 4 * V::size) {
    sum = sum + ((none(i) + none(i + V::size)) + (none(i + 2 * V::size) + none(i + 3 * V::size)));
  }
  alignas(64) R lanes[V::size];
  store(lanes, sum);
  bool all = true;
  for (const R lane : lanes) all = all && lane == 0;
  return count(all ? i : 0, chunk.count);
}

}  // namespace agmohd::cpu
