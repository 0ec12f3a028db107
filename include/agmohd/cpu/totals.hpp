// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "../step/reduction.hpp"
#include "chunk.hpp"
#include "sweep.hpp"

// The sweep of a chunk for a rule with sums over all tensors, in the order of step/reduction.hpp.
namespace agmohd::cpu {

/// `swept`: where a chunk of the sample leaves its sums; not used unless kMeasure.
template <bool kMeasure, class V, class Recipe, class E, class K>
void totals_sweep_chunk(const Chunk<Recipe, E> chunk, const K k, Totals<Recipe::total_count>& out,
                        [[maybe_unused]] reduction::SweptPartial* swept) {
  using namespace reduction;
  using R = Compute<E>;
  constexpr int kSums = Recipe::total_count, kStrip = 4 * kWarp;
  static_assert(bundle_size<Recipe, E> == 4);
  alignas(64) R totals[kSums][kStrip];
  double strips[kSums][kStrips];
  constexpr int kSwept = kMeasure ? kSweepSums : 1;
  alignas(64) [[maybe_unused]] R seen[kSwept][kStrip];
  [[maybe_unused]] double swept_strips[kSwept][kStrips];
  int done = 0;
  for (std::int64_t first = 0; first < chunk.count; first += kStrip, ++done) {
    const auto sweep = [&]<class T>(int i, T) {
      typename Recipe::template TotalValues<T> t;
      if constexpr (kMeasure) {
        typename Recipe::template SweepValues<T> w;
        if constexpr (std::is_floating_point_v<T>) w.guarded = false;  // for GCC's warning
        sweep_at<Recipe, T>(chunk, first + i, k, t, w);
        store(seen[0] + i, T(w.update * w.update));
        store(seen[1] + i, w.along_previous);
        store(seen[2] + i, w.along);
      } else {
        sweep_at<Recipe, T>(chunk, first + i, k, t);
      }
      for (int w = 0; w < kSums; ++w) store(totals[w] + i, t.totals.of[w]);
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
    for (int w = 0; w < kSums; ++w) {
      if (count < kStrip) std::fill(totals[w] + count, totals[w] + kStrip, R(0));
      strips[w][done] = strip_total(totals[w]);
    }
    if constexpr (kMeasure) {
      for (int w = 0; w < kSwept; ++w) {
        if (count < kStrip) std::fill(seen[w] + count, seen[w] + kStrip, R(0));
        swept_strips[w][done] = double(strip_sum<V, 4>(seen[w]));
      }
    }
  }
  for (int w = 0; w < kSums; ++w) out.of[w] = fold(strips[w], done);
  if constexpr (kMeasure) {
    for (int w = 0; w < kSwept; ++w) swept->sums[w] = fold(swept_strips[w], done);
  }
}
/// The same; `swept` is null for a chunk that is not of the sample.
template <class V, class Recipe, class E, class K>
void totals_sweep_chunk(const Chunk<Recipe, E>& chunk, const K& k, Totals<Recipe::total_count>& out,
                        reduction::SweptPartial* swept) {
  if constexpr (Recipe::measures_sweep) {
    if (swept != nullptr) return totals_sweep_chunk<true, V>(chunk, k, out, swept);
  }
  totals_sweep_chunk<false, V>(chunk, k, out, nullptr);
}

}  // namespace agmohd::cpu
