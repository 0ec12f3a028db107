// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <type_traits>

#include "../../step/reduction.hpp"
#include "chunk.cuh"
#include "number.cuh"
#include "pack.cuh"
#include "swept.cuh"

// The elements of phase 3.
namespace agmohd::cuda {

/// The sweep of a chunk, by a block or a warp.
template <class Recipe, class E>
struct SweepChunk : ChunkAccess<Recipe, E> {
  using Access = ChunkAccess<Recipe, E>;
  using Access::kAhead, Access::kBundle, Access::kSlots, Access::kStrip, Access::kWarp;
  using Access::param, Access::slots, Access::first, Access::count;
  using Access::strips, Access::full_strips;
  using typename Access::Elements, typename Access::Kept, typename Access::R, typename Access::S,
      typename Access::Share, typename Access::State, typename Access::States;
  template <Share kShare>
  static constexpr int kStep = Access::template kStep<kShare>;
  using K = typename Recipe::template Coefficients<R>;
  using T = strict<R>;
  using Four = pack<R, 4>;
  using Slots = typename Recipe::template Slots<Four>;
  /// Of a multiprocessor at least, so that their registers suffice without the stack.
  static constexpr int kBlocks = sizeof(R) == 8           ? 1
                                 : Recipe::residual       ? 2
                                 : Recipe::measures_sweep ? 5
                                 : kBundle == 8           ? 2
                                                          : 3;
  /// What a lane adds of a strip, and what a warp does.
  struct Sums {
    R of[reduction::kSweepSums];
  };

  using Access::Access;

  /// What is measured of one element, in the order of Recipe::SweepValues.
  using Seen = R[reduction::kSweepSums];

  /// Elements j to j + 3 of the bundle, as Recipe::sweep.
  template <bool kMeasure>
  __device__ Four sweep_four(const Elements& x, int j, const Position& at, Slots& state, const K& k,
                             Seen (&seen)[4], int& guarded) const {
    const Four p = Four::make([&](int h) { return x.param.widened(j + h); });
    const Four g = Four::make([&](int h) {
      return Access::scaled(x.grad.widened(j + h), int(at.first - first) + h * at.step,
                            x.param.widened(j + h));
    });
    if constexpr (!Recipe::two_sweeps) {
      this->count_zeroed(g, int(at.first - first), at.step, count);
    }
    if constexpr (!Recipe::measures_sweep) {
      return Recipe::sweep(p, g, state, k, at);
    } else {
      using W = std::conditional_t<kMeasure, typename Recipe::template SweepValues<Four>,
                                   typename Recipe::template Guarded<Four>>;
      W w;
      const Four out = Recipe::sweep(p, g, state, k, at, w);
#pragma unroll
      for (int h = 0; h < 4; ++h) {
        if (w.doubted && w.guarded.v[h]) guarded += 1;
        if constexpr (kMeasure) {
          seen[h][0] = (w.update[h] * w.update[h]).v;
          seen[h][1] = w.along_previous.v[h], seen[h][2] = w.along.v[h];
        }
      }
      return out;
    }
  }

  /// `x` and `further` are the bundle at `i`.
  template <Share kShare>
  __device__ void update(Elements& x, States& further, int i, const K& k, Sums& sums,
                         int& guarded) const {
    constexpr bool kMeasure = kShare == Share::measured;
    const auto at = [&](int s) -> State& { return s < kAhead ? x.slots[s] : further[s - kAhead]; };
    R quads[reduction::kSweepSums][kBundle / 4];
#pragma unroll
    for (int j = 0; j < kBundle; j += 4) {
      Seen seen[4];
      Slots state;
      for_each_slot<kSlots>(state, [&](int s, Four& slot) {
        if (kShare == Share::full && s >= kAhead) {
          slot = Four::all(0);
        } else {
          slot = Four::make([&](int h) { return at(s).widened(j + h); });
        }
        if constexpr (Recipe::factored) {
          constexpr bool kVectors = kShare == Share::full && Access::kFurther;
          this->template take_factored<kVectors>(s, i + j * kStep<kShare>, kStep<kShare>, count,
                                                 slot);
        }
      });
      const Position position{first | (i + j * kStep<kShare>), kStep<kShare>};
      const Four p = sweep_four<kMeasure>(x, j, position, state, k, seen, guarded);
      if constexpr (kMeasure) {
#pragma unroll
        for (int w = 0; w < reduction::kSweepSums; ++w) {
          T of[4];
#pragma unroll
          for (int h = 0; h < 4; ++h) of[h] = T{i + j + h < count ? seen[h][w] : 0};
          quads[w][j / 4] = ((of[0] + of[1]) + (of[2] + of[3])).v;
        }
      }
      if (Recipe::Storage::rounds(k.storage)) {  // one branch for four
        for_each_slot<kSlots>(state, [&](int s, Four& slot) {
          if (!Access::template used<kShare>(s)) return;
          slot = Four::make([&](int h) {
            const int at_chunk = i + (j + h) * kStep<kShare>;
            const std::int64_t element = first | at_chunk;  // which is below kChunk
            return Recipe::Storage::rounded(slot.v[h], k.storage, element, s);
          });
        });
      }
#pragma unroll
      for (int h = 0; h < 4; h += 2) {
        x.param.narrow(j + h, p.v[h], p.v[h + 1]);
        for_each_slot<kSlots>(state, [&](int s, Four& slot) {
          if (kShare != Share::full || s < kAhead) at(s).narrow(j + h, slot.v[h], slot.v[h + 1]);
        });
      }
    }
    if constexpr (kMeasure) {
#pragma unroll
      for (int w = 0; w < reduction::kSweepSums; ++w) {
        T sum{quads[w][0]};
        if constexpr (kBundle == 8) sum = sum + T{quads[w][1]};
        sums.of[w] = sum.v;
      }
    }
  }

  /// Loads what is not loaded ahead, updates a lane's bundle of a strip, and stores it, to a
  /// snapshot too.
  template <Share kShare>
  __device__ void step(Elements& x, int strip, const K& k, const Kept& kept, Sums& sums,
                       int& guarded) const {
    asm volatile("" ::: "memory");  // or all of k moves to registers, and others to the stack
    const int i = Access::template first_of<kShare>(strip);
    States further{};
#pragma unroll
    for (int s = kAhead; s < kSlots; ++s) {
      if (Access::template used<kShare>(s))
        Access::template load<kShare>(further[s - kAhead], slots[s], i);
    }
    update<kShare>(x, further, i, k, sums, guarded);
    const auto slot_at = [&](int s) -> State& {
      return s < kAhead ? x.slots[s] : further[s - kAhead];
    };
    Access::template store<kShare>(x.param, param, i);
#pragma unroll
    for (int s = 0; s < kSlots; ++s) {
      if (Access::template used<kShare>(s)) Access::template store<kShare>(slot_at(s), slots[s], i);
    }
    if constexpr (Recipe::keeps_snapshots) {
      Access::template keep<kShare>(kept, x.param, slot_at, i);
    }
  }

  /// The chunk by `threads` threads, of which this is `thread`: begin(thread), then sweep() with
  /// what it returned. A warp takes a strip at a time. Returns how many elements were guarded.
  __device__ Elements begin(int thread) const {
    const int strip = thread / kWarp;
    if (strip >= full_strips()) return Access::template load<Share::spread>(strip);
    if (Access::kFurther && !Access::usual) return Access::template load<Share::wide>(strip);
    return Access::template load<Share::full>(strip);
  }
  __device__ int sweep(Elements x, int thread, int threads, const K& k, const Kept& kept) const {
    const int stride = threads / kWarp, full = full_strips(), end = strips();
    int strip = thread / kWarp, guarded = 0;
    const bool some = strip < full;
    if (some && Access::kFurther && !Access::usual) {
      if constexpr (Access::kFurther) {
        sweep<Share::wide>(x, strip, full, stride, k, kept, guarded);
      }
    } else if (some) {
      sweep<Share::full>(x, strip, full, stride, k, kept, guarded);
    }
    if (strip >= end) return guarded;
    if (some) x = Access::template load<Share::spread>(strip);
    sweep<Share::spread>(x, strip, end, stride, k, kept, guarded);
    return guarded;
  }

  /// Strips up to `end`, of which there are some. The next bundle is under way while one is worked
  /// on.
  template <Share kShare>
  __device__ void sweep(Elements& x, int& strip, int end, int stride, const K& k, const Kept& kept,
                        int& guarded) const {
    Sums none{};
#pragma unroll 1
    do {
      const int next = strip + stride;
      Elements after = x;
      if (next < end) after = Access::template load<kShare>(next);
      step<kShare>(x, strip, k, kept, none, guarded);
      x = after;
      strip = next;
    } while (strip < end);
  }

  /// The same of a sampled chunk: the sums of each strip go to `of_strips`. Nothing is
  /// loaded ahead, since registers are short.
  __device__ int measure(Elements x, int thread, int threads, const K& k, const Kept& kept,
                         Sums* of_strips) const {
    const int full = full_strips(), end = strips();
    int guarded = 0;
#pragma unroll 1
    for (int strip = thread / kWarp; strip < end; strip += threads / kWarp) {
      const bool under_way = strip == thread / kWarp && strip < full;
      if (!under_way) x = Access::template load<Share::measured>(strip);
      Sums sums;
      step<Share::measured>(x, strip, k, kept, sums, guarded);
#pragma unroll
      for (int w = 0; w < reduction::kSweepSums; ++w) {
        T sum{sums.of[w]};
#pragma unroll
        for (int d = kWarp / 2; d > 0; d /= 2) {
          sum = sum + T{__shfl_xor_sync(0xffffffffU, sum.v, d)};
        }
        if (thread % kWarp == 0) of_strips[strip].of[w] = sum.v;
      }
    }
    return guarded;
  }

  /// The sums of all strips, by one whole warp, in its first lane.
  __device__ reduction::SweptPartial fold(const Sums* of_strips) const {
    const int end = strips();
    reduction::SweptPartial out;
    fold_strips([&](int i, int w) { return i < end ? double(of_strips[i].of[w]) : 0.0; }, out.sums);
    return out;
  }
  /// Or each warp leaves those of its own strips at to[0 .. room), zeros beyond the chunk's end.
  __device__ void leave(int thread, int threads, const Sums* of_strips, int room,
                        reduction::SweptPartial* to) const {
    const int lane = thread % kWarp, end = strips();
    __syncwarp();
    for (int i = thread / kWarp; i < room; i += threads / kWarp) {
      if (lane < reduction::kSweepSums)
        to[i].sums[lane] = i < end ? double(of_strips[i].of[lane]) : 0;
    }
  }
};

}  // namespace agmohd::cuda
