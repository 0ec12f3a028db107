// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "../rule/rule.hpp"
#include "../step/reduction.hpp"
#include "chunk.hpp"

// The sweep of one chunk: vectors, and a scalar tail of the same arithmetic.
namespace agmohd::cpu {

/// `result`: nothing, or a Recipe::Guarded<V> or Recipe::SweepValues<V>.
template <class Recipe, class V, class E, class K, class... SweepResult>
void sweep_at(const Chunk<Recipe, E>& chunk, std::int64_t i, const K& k, SweepResult&... result) {
  typename Recipe::template Slots<V> s{};
  for_each_slot<Recipe::slot_count>(s, [&](int j, V& slot) {
    if (chunk.slots[j] != nullptr) slot = load<V>(chunk.slots[j] + i);
    take_factored(chunk, j, i, slot);
  });
  const V p = Recipe::sweep(load<V>(chunk.param + i), grad_at<V>(chunk, i), s, k,
                            Position{chunk.first + i}, result...);
  store(chunk.param + i, p);
  for_each_slot<Recipe::slot_count>(s, [&](int j, V& slot) {
    if (chunk.slots[j] == nullptr) return;
    slot = rounded<typename Recipe::Storage>(slot, k.storage, chunk.first + i, j);
    store(chunk.slots[j] + i, slot);
  });
  if constexpr (Recipe::keeps_snapshots) {
    if (chunk.kept_param == nullptr) return;
    store(chunk.kept_param + i, p);
    for_each_slot<Recipe::slot_count>(s, [&](int j, V& slot) {
      if (chunk.slots[j] != nullptr) store(chunk.kept_slots[j] + i, slot);
    });
  }
}

/// How many elements of a vector the rule's guard changed.
template <class W>
std::int64_t changed(const W& result) {
  if (!result.doubted) [[likely]]
    return 0;
  if constexpr (requires { result.guarded.lo; }) {
    constexpr int size = sizeof result.guarded.lo / sizeof result.guarded.lo[0];
    std::int64_t sum = 0;
    for (int j = 0; j < size; ++j) sum -= result.guarded.lo[j] + result.guarded.hi[j];
    return sum;
  } else {
    return result.guarded ? 1 : 0;
  }
}

/// Calls f(chunk, k), where chunk and coefficients are as they mostly are, with what they then have
/// in common as constants, so that the compiler leaves out what is not needed. By value: what is
/// stored to memory could be a part of what a reference names.
template <class Recipe, class E, class K, class F>
std::int64_t with_usual(Chunk<Recipe, E> chunk, K k, const F& f) {
  if constexpr (std::is_same_v<E, float> && has::usual<typename Recipe::Rule>) {
    if (chunk.usual() && Recipe::Rule::usual(k.rule)) return f(chunk, k);
  }
  return f(chunk, k);
}

/// By vectors V, or scalars, and a scalar tail. Returns how many elements the rule's guard changed.
template <class V, class Recipe, class E, class K>
std::int64_t sweep_chunk(const Chunk<Recipe, E>& some, const K& coefficients) {
  return with_usual(some, coefficients, [](const Chunk<Recipe, E> chunk, const K k) {
    std::int64_t guarded = 0;
    const auto sweep = [&]<class T>(std::int64_t i, T) {
      if constexpr (Recipe::guards) {
        typename Recipe::template Guarded<T> w;
        if constexpr (std::is_floating_point_v<T>) w.guarded = false;  // for GCC's warning
        sweep_at<Recipe, T>(chunk, i, k, w);
        guarded += changed(w);
      } else {
        sweep_at<Recipe, T>(chunk, i, k);
      }
    };
    std::int64_t i = 0;
    if constexpr (!std::is_floating_point_v<V>) {
      for (; i + V::size <= chunk.count; i += V::size) {
        chunk.ask(i);
        sweep(i, V{});
      }
    }
    for (; i < chunk.count; ++i) sweep(i, Compute<E>{});
    return guarded;
  });
}

/// The sums of bundles in memory, as many as V has elements.
template <class V, int bundle, class R>
V bundles(const R* x) {
  if constexpr (!std::is_same_v<V, R>) {
    return V::template bundles<bundle>(x);
  } else if constexpr (bundle == 8) {
    return bundles<V, 4>(x) + bundles<V, 4>(x + 4);
  } else {
    return (x[0] + x[1]) + (x[2] + x[3]);
  }
}

/// `count` of them, kStep apart, added as reduction::fold() does.
template <class V, int bundle, int count, int kStep = 1, class R>
V folded_bundles(const R* x) {
  if constexpr (count == 1) {
    return bundles<V, bundle>(x);
  } else {
    constexpr int kNext = bundle * kStep * int(sizeof(V) / sizeof(R));
    return folded_bundles<V, bundle, count / 2, 2 * kStep>(x) +
           folded_bundles<V, bundle, count / 2, 2 * kStep>(x + kNext);
  }
}

/// The sum of a strip.
template <class V, int bundle, class R>
R strip_sum(const R* x) {
  if constexpr (std::is_same_v<V, R>) {
    return folded_bundles<V, bundle, reduction::kWarp>(x);
  } else {
    return folded_bundles<V, bundle, reduction::kWarp / V::size>(x).folded();
  }
}

/// sweep_chunk() of a sampled chunk: with the sums of step/reduction.hpp.
template <class V, class Recipe, class E, class K>
std::int64_t measured_sweep_chunk(const Chunk<Recipe, E>& some, const K& coefficients,
                                  reduction::SweptPartial& out) {
  return with_usual(some, coefficients, [&out](const Chunk<Recipe, E> chunk, const K k) {
    using namespace reduction;
    using R = Compute<E>;
    constexpr int kBundle = bundle_size<Recipe, E>, kStrip = kWarp * kBundle;
    alignas(64) R seen[kSweepSums][kStrip];
    double strips[kSweepSums][kStrips];
    std::int64_t guarded = 0;
    int done = 0;
    for (std::int64_t first = 0; first < chunk.count; first += kStrip, ++done) {
      const auto sweep = [&]<class T>(int i, T) {
        typename Recipe::template SweepValues<T> w;
        if constexpr (std::is_floating_point_v<T>) w.guarded = false;  // for GCC's warning
        sweep_at<Recipe, T>(chunk, first + i, k, w);
        store(seen[0] + i, T(w.update * w.update));
        store(seen[1] + i, w.along_previous);
        store(seen[2] + i, w.along);
        guarded += changed(w);
      };
      const int count = int(std::min<std::int64_t>(kStrip, chunk.count - first));
      int i = 0;
      if constexpr (!std::is_floating_point_v<V>) {
        for (; i + V::size <= count; i += V::size) {
          chunk.ask(first + i);
          sweep(i, V{});
        }
      }
      for (; i < count; ++i) sweep(i, R{});
      for (int w = 0; w < kSweepSums; ++w) {
        if (count < kStrip) std::fill(seen[w] + count, seen[w] + kStrip, R(0));
        strips[w][done] = double(strip_sum<V, kBundle>(seen[w]));
      }
    }
    for (int w = 0; w < kSweepSums; ++w) out.sums[w] = fold(strips[w], done);
    return guarded;
  });
}

}  // namespace agmohd::cpu
