// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <type_traits>

#include "../../step/reduction.hpp"
#include "chunk.cuh"
#include "number.cuh"
#include "pack.cuh"
#include "sweep_chunk.cuh"
#include "swept.cuh"

// Phase 3 of a rule with sums over all tensors.
namespace agmohd::cuda {

/// The sweep of a chunk, by a block or a warp.
template <class Recipe, class E>
struct TotalsChunk : ChunkAccess<Recipe, E> {
  using Access = ChunkAccess<Recipe, E>;
  using Access::count, Access::first, Access::param, Access::slots;
  using Access::kAhead, Access::kBundle, Access::kSlots, Access::kWarp;
  using Access::strips, Access::full_strips;
  using typename Access::Elements, typename Access::Kept, typename Access::R, typename Access::S,
      typename Access::Share, typename Access::States;
  using K = typename Recipe::template Coefficients<R>;
  using T = strict<R>;
  using Four = pack<R, 4>;
  using Slots = typename Recipe::template Slots<Four>;
  static_assert(kBundle == 4, "slots are not of 2 bytes");
  static constexpr int kSums = Recipe::total_count;
  static_assert(kSums <= 5,
                "agmohd: the rule's total_count is above 5: the sums of a block's strips would not "
                "fit into shared memory");
  /// How full strips are shared, and of a multiprocessor at least so many blocks.
  static constexpr Share kWhole = Access::kFurther ? Share::wide : Share::full;
  static constexpr int kBlocks = sizeof(R) == 8 ? 1 : Recipe::measures_sweep ? 4 : 2;
  /// Of a strip: the rule's sums, and of a chunk of the sample what is measured.
  struct Sums {
    double of[kSums];
  };
  using Swept = typename SweepChunk<Recipe, E>::Sums;

  using Access::Access;

  /// The chunk by `threads` threads, of which this is `thread`: begin(thread), then sweep() with
  /// what it returned. A warp takes a strip at a time.
  __device__ Elements begin(int thread) const {
    const int strip = thread / kWarp;
    if (strip < full_strips()) return Access::template load<kWhole>(strip);
    return {};
  }
  template <bool kMeasure>
  __device__ void sweep(Elements x, int thread, int threads, const K& k, const Kept& kept,
                        Sums* sums, Swept* swept) const {
    const int stride = threads / kWarp, full = full_strips(), end = strips();
    int strip = thread / kWarp;
#pragma unroll 1
    while (strip < full) {
      const int next = strip + stride;
      Elements after = x;
      if (next < full) after = Access::template load<kWhole>(next);
      step<kWhole, kMeasure>(x, strip, k, kept, sums, swept);
      x = after;
      strip = next;
    }
#pragma unroll 1
    for (; strip < end; strip += stride) {
      x = Access::template load<Share::measured>(strip);
      step<Share::measured, kMeasure>(x, strip, k, kept, sums, swept);
    }
  }

 private:
  /// Updates a lane's bundle of a strip and stores it. The first lane notes the strip's sums.
  template <Share kShare, bool kMeasure>
  __device__ void step(Elements& x, int strip, const K& k, const Kept& kept, Sums* sums,
                       Swept* swept) const {
    asm volatile("" ::: "memory");  // or all of k moves to registers, and others to the stack
    const int i = Access::template first_of<kShare>(strip);
    States further{};
#pragma unroll
    for (int s = kAhead; s < kSlots; ++s) {
      if (Access::template used<kShare>(s))
        Access::template load<kShare>(further[s - kAhead], slots[s], i);
    }
    const auto at = [&](int s) -> auto& { return s < kAhead ? x.slots[s] : further[s - kAhead]; };
    Slots state;
    for_each_slot<kSlots>(state, [&](int s, Four& slot) {
      slot = Four::make([&](int h) { return at(s).widened(h); });
    });
    const Four p = Four::make([&](int h) { return x.param.widened(h); });
    const Four g = Four::make(
        [&](int h) { return Access::scaled(x.grad.widened(h), i + h, x.param.widened(h)); });
    if constexpr (!Recipe::two_sweeps) this->count_zeroed(g, i, 1, count);
    const Position position{first | i};
    typename Recipe::template TotalValues<Four> totals;
    Four out;
    if constexpr (kMeasure) {
      typename Recipe::template SweepValues<Four> w;
      out = Recipe::sweep(p, g, state, k, position, totals, w);
      const Four seen[] = {w.update * w.update, w.along_previous, w.along};
#pragma unroll
      for (int n = 0; n < reduction::kSweepSums; ++n) {
        const R sum = added<T>(i, [&](int h) { return seen[n][h]; });
        if (threadIdx.x % kWarp == 0) swept[strip].of[n] = sum;
      }
    } else {
      out = Recipe::sweep(p, g, state, k, position, totals);
    }
#pragma unroll
    for (int h = 0; h < 4; h += 2) {
      x.param.narrow(h, out.v[h], out.v[h + 1]);
      for_each_slot<kSlots>(state,
                            [&](int s, Four& slot) { at(s).narrow(h, slot.v[h], slot.v[h + 1]); });
    }
    Access::template store<kShare>(x.param, param, i);
#pragma unroll
    for (int s = 0; s < kSlots; ++s) {
      if (Access::template used<kShare>(s)) Access::template store<kShare>(at(s), slots[s], i);
    }
    if constexpr (Recipe::keeps_snapshots) Access::template keep<kShare>(kept, x.param, at, i);
#pragma unroll
    for (int n = 0; n < kSums; ++n) {
      using D = strict<double>;
      const double sum = added<D>(i, [&](int h) { return D{double(totals.totals.of[n].v[h])}; });
      if (threadIdx.x % kWarp == 0) sums[strip].of[n] = sum;
    }
  }

  /// The sum of a strip, of which a lane has the elements i + h: x(h), 0 to 3.
  template <class N, class X>
  __device__ auto added(int i, const X& x) const {
    N of[4];
#pragma unroll
    for (int h = 0; h < 4; ++h) of[h] = i + h < count ? x(h) : N{0};
    N sum = (of[0] + of[1]) + (of[2] + of[3]);
#pragma unroll
    for (int d = kWarp / 2; d > 0; d /= 2) sum = sum + N{__shfl_xor_sync(0xffffffffU, sum.v, d)};
    return sum.v;
  }
};

/// A chunk's sums go to the table. `sums`: of the strips that these threads swept.
template <int kSums, class Recipe, class Sums, class Put>
__device__ void put_strips(const View<Recipe>& view, int end, bool tiny, int thread, int threads,
                           const Sums* sums, const Put& put) {
  constexpr int kWarp = reduction::kWarp;
  const int lane = thread % kWarp;
  if (view.strips > 0) {  // each warp's own, zeros beyond the chunk's end
    __syncwarp();
    for (int i = thread / kWarp; i < view.strips; i += threads / kWarp) {
      if (lane < kSums) put(i, lane, i < end ? double(sums[i].of[lane]) : 0.0);
    }
    return;
  }
  if (tiny) {
    __syncwarp();
  } else {
    __syncthreads();
  }
  if (!tiny && threadIdx.x >= kWarp) return;
  double folded[kSums];
  fold_strips([&](int i, int w) { return i < end ? double(sums[i].of[w]) : 0.0; }, folded);
#pragma unroll
  for (int w = 0; w < kSums; ++w) {
    if (thread == 0) put(0, w, folded[w]);
  }
}

/// The chunk with that number in an applied step, by a block, or where chunks are tiny a warp.
template <class Recipe, class E, class X>
__device__ void sweep_totals(const View<Recipe>& view, const TotalsChunk<Recipe, E>& chunk,
                             const X& x, int number, int phase, bool tiny, int thread, int threads,
                             const typename TotalsChunk<Recipe, E>::K& k,
                             const typename TotalsChunk<Recipe, E>::Kept& kept) {
  using Chunk = TotalsChunk<Recipe, E>;
  constexpr int kWarps = most_sweep_threads<Recipe> / reduction::kWarp;
  constexpr int kRoom = kWarps * reduction::kStrips;
  const int warp = tiny ? int(threadIdx.x) / reduction::kWarp : 0;
  __shared__ alignas(8) unsigned char storage[kRoom * sizeof(typename Chunk::Sums)];
  auto* const sums = reinterpret_cast<typename Chunk::Sums*>(storage) + warp * reduction::kStrips;
  const auto put = [&](int i, int w, double sum) {
    if (view.strips > 0) {
      view.totals[(number * view.strips + i) * Chunk::kSums + w] = sum;
    } else {
      view.totals[w * view.chunk_count + number] = sum;
    }
  };
  if constexpr (Recipe::measures_sweep) {
    __shared__ alignas(8) unsigned char seen[kRoom * sizeof(typename Chunk::Swept)];
    if (number % view.sample_every == phase) {
      auto* const swept =
          reinterpret_cast<typename Chunk::Swept*>(seen) + warp * reduction::kStrips;
      chunk.template sweep<true>(x, thread, threads, k, kept, sums, swept);
      put_strips<reduction::kSweepSums>(
          view, chunk.strips(), tiny, thread, threads, swept,
          [&](int i, int w, double sum) { swept_of(view, number)[i].sums[w] = sum; });
      put_strips<Chunk::kSums>(view, chunk.strips(), tiny, thread, threads, sums, put);
      return;
    }
  }
  chunk.template sweep<false>(x, thread, threads, k, kept, sums, nullptr);
  put_strips<Chunk::kSums>(view, chunk.strips(), tiny, thread, threads, sums, put);
}

}  // namespace agmohd::cuda
