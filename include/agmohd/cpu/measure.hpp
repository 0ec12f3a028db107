// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "../policy/power.hpp"
#include "../step/reduction.hpp"
#include "chunk.hpp"
#include "vec.hpp"
#include "vec_avx2.hpp"

// What the reduce pass measures of one chunk.
namespace agmohd::cpu {

/// The coefficients of the transforms that act before gradients are measured.
template <class Recipe, class E>
using PrefixOf = typename Recipe::template Prefix<Compute<E>>;

/// The gradient as it is measured; beyond the chunk zeros.
template <class Recipe, class V, class E>
V measured_at(const Chunk<Recipe, E>& chunk, std::int64_t i, const PrefixOf<Recipe, E>& k) {
  if (i + V::size <= chunk.count) {
    return Recipe::measured(grad_at<V>(chunk, i), k, Position{chunk.first + i});
  }
  Compute<E> x[V::size] = {};
  for (std::int64_t j = i; j < chunk.count; ++j) {
    x[j - i] = Recipe::measured(grad_at<Compute<E>>(chunk, j), k, Position{chunk.first + j});
  }
  return load<V>(x);
}

/// Adds what a lane owns once more, in double, and counts what is not finite. For float64 only the
/// count is new.
template <class Recipe, class E>
__attribute__((noinline)) void rescue(const Chunk<Recipe, E>& chunk, int lane,
                                      const PrefixOf<Recipe, E>& k, double& sum,
                                      std::int64_t& nonfinite) {
  double rescued = 0;
  for (std::int64_t row = 4 * lane; row < chunk.count; row += reduction::kRow) {
    for (std::int64_t i = row; i < std::min<std::int64_t>(row + 4, chunk.count); ++i) {
      const double g =
          double(Recipe::measured(grad_at<Compute<E>>(chunk, i), k, Position{chunk.first + i}));
      rescued += g * g;
      if (!(g - g == 0)) ++nonfinite;
    }
  }
  if constexpr (sizeof(Compute<E>) == 4) sum = rescued;
}

/// The elements from `i` on of a chunk's parameter or slot, `from`; beyond the chunk, or where the
/// slot is not used, zeros.
template <class V, class Recipe, class E, class S>
V elements_at(const Chunk<Recipe, E>& chunk, const S* from, std::int64_t i) {
  if (from == nullptr) return V{};
  if (i + V::size <= chunk.count) return load<V>(from + i);
  Compute<E> x[V::size] = {};
  for (std::int64_t j = i; j < chunk.count; ++j) x[j - i] = load<Compute<E>>(from + j);
  return load<V>(x);
}

/// What the rule sums of the elements from `i` on.
template <class V, class Recipe, class E, class K>
V summed_at(const Chunk<Recipe, E>& chunk, std::int64_t i, const PrefixOf<Recipe, E>& prefix,
            const K& k) {
  typename Recipe::template Slots<V> s{};
  for_each_slot<Recipe::slot_count>(
      s, [&](int n, V& slot) { slot = elements_at<V>(chunk, chunk.slots[n], i); });
  const V g = measured_at<Recipe, V>(chunk, i, prefix);
  if constexpr (Recipe::sums_parameter) {
    return Recipe::Rule::summed(elements_at<V>(chunk, chunk.param, i), g, s, k);
  } else {
    return Recipe::Rule::summed(g, s, k);
  }
}

/// The first elements of a vector, and zeros.
template <class V>
V first(const V& x, std::int64_t count) {
  alignas(64) Real<V> elements[V::size];
  store(elements, x);
  std::fill(elements + count, elements + V::size, Real<V>(0));
  return load<V>(static_cast<const Real<V>*>(elements));
}

/// What a chunk contributes to the sums of its recipe's rule.
template <class V, class Recipe, class E, class K>
double sum_chunk(const Chunk<Recipe, E> chunk, const PrefixOf<Recipe, E> prefix, const K k) {
  using namespace reduction;
  constexpr int kGroup = 4 * V::size;  // columns
  alignas(64) Compute<E> sums[kGroup];
  double lanes[kLanes];
  const int columns = int(std::min<std::int64_t>(chunk.count, kRow));
  for (int c = 0; c < columns; c += kGroup) {
    for (int j = 0; j < kGroup; j += V::size) {
      V sum{};
      for (std::int64_t i = c + j; i < chunk.count; i += kRow) {
        const V x = summed_at<V>(chunk, i, prefix, k);
        sum = sum + (i + V::size <= chunk.count ? x : first<V>(x, chunk.count - i));
      }
      store(sums + j, sum);
    }
    V::template bundles<4>(sums).widen(lanes + c / 4);
  }
  return butterfly(lanes, (columns + 3) / 4);
}

/// measure_chunk() of a recipe that sums powers of magnitudes.
template <class Recipe, class E>
reduction::Partial measure_powers(const Chunk<Recipe, E>& chunk, const PrefixOf<Recipe, E>& k,
                                  std::int64_t power) {
  using namespace reduction;
  double lanes[kLanes] = {};
  Partial out{0, 0, 0};
  for (std::int64_t i = 0; i < chunk.count; ++i) {
    const double g =
        double(Recipe::measured(grad_at<Compute<E>>(chunk, i), k, Position{chunk.first + i}));
    const double size = std::abs(g);
    lanes[i % kRow / 4] += math::power(size, power);
    out.max_abs = larger(out.max_abs, size);
    if (!(g - g == 0)) ++out.nonfinite;
  }
  out.norm2 = butterfly(lanes);
  return out;
}

template <class V, class Recipe, class E>
reduction::Partial measure_chunk(const Chunk<Recipe, E> chunk, const PrefixOf<Recipe, E> k) {
  using namespace reduction;
  using R = Compute<E>;
  using B = std::make_unsigned_t<typename V::bits>;
  constexpr int kGroup = 4 * V::size;  // columns
  alignas(64) R sums[kGroup];
  alignas(64) B peaks[kGroup];
  double lanes[kLanes];
  Partial out{0, 0, 0};
  typename V::magnitudes most{};
  const int columns = int(std::min<std::int64_t>(chunk.count, kRow));
  for (int c = 0; c < columns; c += kGroup) {
    bool strange = false;
    for (int j = 0; j < kGroup; j += V::size) {
      chunk.ask_grad(c + j);
      V sum{};
      typename V::magnitudes peak{};
      for (std::int64_t i = c + j; i < chunk.count; i += kRow) {
        const V g = measured_at<Recipe, V>(chunk, i, k);
        sum = sum + g * g;
        peak.take(g);
      }
      store(sums + j, sum);
      std::memcpy(peaks + j, &peak, sizeof peak);
      most.take(peak);
      strange = strange || peak.beyond(sizeof(R) == 4 ? B(kTiny) : 0,
                                       sizeof(R) == 4 ? B(kHuge) : B(kInfinite));
    }
    V::template bundles<4>(sums).widen(lanes + c / 4);
    if (!strange) [[likely]]
      continue;
    for (int l = 0; l < V::size; ++l) {
      const B* const of = peaks + 4 * l;
      if (!extreme(std::max({of[0], of[1], of[2], of[3]}))) continue;
      rescue(chunk, c / 4 + l, k, lanes[c / 4 + l], out.nonfinite);
    }
  }
  out.norm2 = butterfly(lanes, (columns + 3) / 4);
  B all[V::size];
  std::memcpy(all, &most, sizeof most);
  out.max_abs = double(std::bit_cast<R>(*std::max_element(all, all + V::size)));
  return out;
}

}  // namespace agmohd::cpu
