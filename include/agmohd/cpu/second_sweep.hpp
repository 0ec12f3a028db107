// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "../step/reduction.hpp"
#include "chunk.hpp"
#include "sweep.hpp"

// Of a rule with two sweeps: what the first leaves is measured, then the second writes p.
namespace agmohd::cpu {

/// Sums of squares, of what the recipe's `squared` gives, and of products.
template <class Recipe>
struct Norms {
  double of[Recipe::norm_sums];
};
/// Those of a tensor's chunks together.
template <class Recipe>
Norms<Recipe> combine(const Norms<Recipe>* of_chunks, std::int64_t count) {
  const int lanes = reduction::tensor_lanes(count);
  Norms<Recipe> out;
  for (int w = 0; w < Recipe::norm_sums; ++w) {
    out.of[w] = reduction::dealt(count, lanes, [&](std::int64_t i) { return of_chunks[i].of[w]; });
  }
  return out;
}

/// f(p, g, slots) of the elements from `i` on, as many as V has.
template <class V, class Recipe, class E, class F>
auto with_elements(const Chunk<Recipe, E>& chunk, std::int64_t i, const F& f) {
  typename Recipe::template Slots<V> s{};
  for_each_slot<Recipe::slot_count>(s, [&](int j, V& slot) {
    if (chunk.slots[j] != nullptr) slot = load<V>(chunk.slots[j] + i);
    take_factored(chunk, j, i, slot);
  });
  return f(load<V>(chunk.param + i), grad_at<V>(chunk, i), s);
}

/// The sums of squares, added as a measured sweep does.
template <class V, class Recipe, class E, class K>
void norms_of_chunk(const Chunk<Recipe, E> chunk, const K k, Norms<Recipe>& out) {
  using namespace reduction;
  using R = Compute<E>;
  constexpr int kBundle = bundle_size<Recipe, E>, kStrip = kWarp * kBundle;
  constexpr int kNorms = Recipe::norm_sums;
  alignas(64) R seen[kNorms][kStrip];
  double strips[kNorms][kStrips];
  int done = 0;
  for (std::int64_t first = 0; first < chunk.count; first += kStrip, ++done) {
    const auto look = [&]<class T>(int i, T) {
      with_elements<T>(chunk, first + i, [&](const T& p, const T& g, const auto& s) {
        const auto x = Recipe::squared(p, g, s, k, Position{chunk.first + first + i});
        store(seen[0] + i, T(x.p * x.p));
        store(seen[1] + i, T(x.u * x.u));
        if constexpr (Recipe::products) store(seen[2] + i, T(x.p * x.u));
      });
    };
    const int count = int(std::min<std::int64_t>(kStrip, chunk.count - first));
    int i = 0;
    if constexpr (!std::is_floating_point_v<V>) {
      for (; i + V::size <= count; i += V::size) look(i, V{});
    }
    for (; i < count; ++i) look(i, R{});
    for (int w = 0; w < kNorms; ++w) {
      if (count < kStrip) std::fill(seen[w] + count, seen[w] + kStrip, R(0));
      strips[w][done] = double(strip_sum<V, kBundle>(seen[w]));
    }
  }
  out = {};
  for (int w = 0; w < kNorms && done > 0; ++w) out.of[w] = fold(strips[w], done);
}

/// Returns how many elements that it wrote to a snapshot are not finite.
template <class V, class Recipe, class E, class K>
std::int64_t write_chunk(const Chunk<Recipe, E> chunk, const K k) {
  const auto write = [&]<class T>(std::int64_t i, T) {
    const T written = with_elements<T>(chunk, i, [&](const T& p, const T& g, const auto& s) {
      return Recipe::second(p, g, s, k, Position{chunk.first + i});
    });
    store(chunk.param + i, written);
    if constexpr (Recipe::keeps_snapshots) {
      if (chunk.kept_param != nullptr) store(chunk.kept_param + i, written);
    }
  };
  std::int64_t i = 0;
  if constexpr (!std::is_floating_point_v<V>) {
    for (; i + V::size <= chunk.count; i += V::size) write(i, V{});
  }
  for (; i < chunk.count; ++i) write(i, Compute<E>{});
  return chunk.kept_param == nullptr ? 0 : not_finite(chunk.kept_param, chunk.count);
}

}  // namespace agmohd::cpu
