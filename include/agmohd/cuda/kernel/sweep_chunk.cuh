// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <type_traits>

#include "../../policy/element.hpp"
#include "../../step/reduction.hpp"
#include "../view.hpp"
#include "load_store.cuh"
#include "number.cuh"
#include "pack.cuh"
#include "swept.cuh"

// The elements of phase 3: a chunk, by a block or a warp.
namespace agmohd::cuda {

/// A chunk of a tensor in a sweep. A thread works on a bundle of elements at a time: neighbours, or
/// where an array is misaligned every 32nd element, so that the accesses of a warp coalesce.
template <class Recipe, class E>
struct SweepChunk {
  static constexpr int kSlots = Recipe::slot_count;
  static constexpr int kWarp = reduction::kWarp;
  using R = Compute<E>;
  using S = Stored<typename Recipe::Storage, E>;
  using K = typename Recipe::template Coefficients<R>;
  using T = strict<R>;
  using Four = pack<R, 4>;
  using Slots = typename Recipe::template Slots<Four>;
  /// Eight where all elements have 2 bytes: accesses of 16 bytes.
  static constexpr int kBundle = bundle_size<Recipe, E>;
  static constexpr int kChunk = kWarp * kBundle;  // of a warp at a time
  static_assert(reduction::kChunk / kChunk <= reduction::kStrips);
  /// Of a multiprocessor at least, so that their registers suffice without the stack.
  static constexpr int kBlocks = sizeof(R) == 8           ? 1
                                 : Recipe::measures_sweep ? 5
                                 : kBundle == 8           ? 2
                                                          : 3;
  /// Further states, mostly options, are not loaded ahead: registers are short.
  static constexpr int kAhead = kSlots < 2 ? kSlots : 2;
  using State = Bundle<S, kBundle>;
  using States = State[kSlots > kAhead ? kSlots - kAhead : 1];
  /// What a lane adds of a chunk, and what a warp does.
  struct Sums {
    R of[reduction::kSweepSums];
  };
  /// A snapshot's part of the chunk, the parameter first; the first is null where there is none,
  /// the others where the slot is not used.
  struct Kept {
    void* at[1 + kSlots];
    unsigned long long* spoiled;  // counts what is written there and not finite
  };
  struct Elements {
    Bundle<E, kBundle> param, grad;
    State slots[kAhead > 0 ? kAhead : 1];
  };

  std::int64_t first;  // element of the tensor
  E* param;
  const E* grad;
  S* slots[kSlots > 0 ? kSlots : 1];  // null: not used
  int count;
  bool plain;

  __device__ SweepChunk(const View<Recipe>& view, const ChunkRef& ref, bool idle) {
    const DeviceTensor<Recipe>& tensor = view.tensors[ref.tensor];
    first = std::int64_t(ref.chunk) * reduction::kChunk;
    const std::int64_t left = idle ? 0 : tensor.numel - first;
    count = int(left < reduction::kChunk ? left : reduction::kChunk);
    param = static_cast<E*>(tensor.param) + first;
    grad = static_cast<const E*>(view.grads[ref.tensor]) + first;
    plain = Bundle<E, kBundle>::aligned(param) && Bundle<E, kBundle>::aligned(grad);
#pragma unroll
    for (int s = 0; s < kSlots; ++s) {
      slots[s] = tensor.slots[s] == nullptr ? nullptr : static_cast<S*>(tensor.slots[s]) + first;
      plain = plain && State::aligned(slots[s]) && (slots[s] != nullptr) == (s < kAhead);
    }
  }

  /// How many chunks the chunk has, and how many from its beginning are full: complete, aligned,
  /// and with the states that are loaded ahead alone.
  __device__ int chunks() const { return (count + kChunk - 1) / kChunk; }
  __device__ int full_chunks() const { return plain ? count / kChunk : 0; }

  /// How a warp shares a chunk. A lane has neighbours of a full one, and of others every 32nd
  /// element, as far as there is one. What is measured is added in the order of neighbours, which a
  /// lane has of any chunk then.
  enum class Share { full, spread, measured };
  template <Share kShare>
  static constexpr int kStep = kShare == Share::spread ? kWarp : 1;

  template <Share kShare>
  __device__ bool is_full(int i) const {  // i: an element of the chunk
    return kShare == Share::full || (kShare == Share::measured && i < full_chunks() * kChunk);
  }
  template <Share kShare>
  static __device__ int first_of(int chunk) {  // a lane's first element
    const int lane = int(threadIdx.x) % kWarp;
    return chunk * kChunk + (kShare == Share::spread ? lane : kBundle * lane);
  }
  /// How many of a lane's elements there are.
  template <Share kShare>
  __device__ int left(int i) const {
    return (count - i + kStep<kShare> - 1) / kStep<kShare>;
  }
  template <Share kShare>
  __device__ bool used(int s) const {
    return kShare == Share::full ? s < kAhead : slots[s] != nullptr;
  }

  /// The bundle at `i` of one array.
  template <Share kShare, class T>
  __device__ void load(Bundle<T, kBundle>& to, const T* from, int i) const {
    if (is_full<kShare>(i)) {
      to.load(from + i);
    } else {
      to.load_some(from + i, kStep<kShare>, left<kShare>(i));
    }
  }
  template <Share kShare, class T>
  __device__ void store(const Bundle<T, kBundle>& from, T* to, int i) const {
    if (is_full<kShare>(i)) {
      from.store(to + i);
    } else {
      from.store_some(to + i, kStep<kShare>, left<kShare>(i));
    }
  }
  template <Share kShare>
  __device__ Elements load(int chunk) const {
    const int i = first_of<kShare>(chunk);
    Elements x;
    load<kShare>(x.param, param, i);
    load<kShare>(x.grad, grad, i);
#pragma unroll
    for (int s = 0; s < kAhead; ++s) {
      if (used<kShare>(s)) {
        load<kShare>(x.slots[s], slots[s], i);
      } else {
        x.slots[s] = State{};
      }
    }
    return x;
  }

  /// What is measured of one element, in the order of Recipe::SweepValues.
  using Seen = R[reduction::kSweepSums];

  /// Elements j to j + 3 of the bundle, as Recipe::sweep.
  template <bool kMeasure>
  __device__ Four sweep_four(const Elements& x, int j, Slots& state, const K& k, Seen (&seen)[4],
                             int& guarded) const {
    const Four p = Four::make([&](int h) { return x.param.widened(j + h); });
    const Four g = Four::make([&](int h) { return x.grad.widened(j + h); });
    if constexpr (!Recipe::measures_sweep) {
      return Recipe::sweep(p, g, state, k);
    } else {
      using W = std::conditional_t<kMeasure, typename Recipe::template SweepValues<Four>,
                                   typename Recipe::template Guarded<Four>>;
      W w;
      const Four out = Recipe::sweep(p, g, state, k, w);
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
      });
      const Four p = sweep_four<kMeasure>(x, j, state, k, seen, guarded);
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
          if (!used<kShare>(s)) return;
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

  /// Loads what is not loaded ahead, updates a lane's bundle of a chunk, and stores it, to a
  /// snapshot too.
  template <Share kShare>
  __device__ void step(Elements& x, int chunk, const K& k, const Kept& kept, Sums& sums,
                       int& guarded) const {
    asm volatile("" ::: "memory");  // or all of k moves to registers, and others to the stack
    const int i = first_of<kShare>(chunk);
    States further{};
#pragma unroll
    for (int s = kAhead; s < kSlots; ++s) {
      if (used<kShare>(s)) load<kShare>(further[s - kAhead], slots[s], i);
    }
    update<kShare>(x, further, i, k, sums, guarded);
    const auto store_all = [&](E* to, auto slot_at) {
      store<kShare>(x.param, to, i);
#pragma unroll
      for (int s = 0; s < kSlots; ++s) {
        if (!used<kShare>(s)) continue;
        store<kShare>(s < kAhead ? x.slots[s] : further[s - kAhead], slot_at(s), i);
      }
    };
    store_all(param, [&](int s) { return slots[s]; });
    if constexpr (Recipe::keeps_snapshots) {
      if (kept.at[0] == nullptr) return;
      store_all(static_cast<E*>(kept.at[0]),
                [&](int s) { return static_cast<S*>(kept.at[1 + s]); });
      count_spoiled(&kept, i, kStep<kShare>, left<kShare>(i));
    }
  }

  /// Looks at a lane's bundle of a snapshot again, once in many steps: a call, by values, which
  /// would take registers and the stack from the others.
  static __device__ __noinline__ void count_spoiled(const Kept* kept, int i, int stride, int left) {
    unsigned long long count = 0;
    for (int j = 0; j < kBundle && j < left; ++j) {
      const int at = i + j * stride;
      const R p = R(widen(static_cast<const E*>(kept->at[0])[at]));
      count += p - p == 0 ? 0 : 1;
      for (int s = 0; s < kSlots; ++s) {
        if (kept->at[1 + s] == nullptr) continue;
        const R x = R(widen(static_cast<const S*>(kept->at[1 + s])[at]));
        count += x - x == 0 ? 0 : 1;
      }
    }
    if (count != 0) atomicAdd(kept->spoiled, count);
  }

  /// The chunk by `threads` threads, of which this is `thread`: begin(thread), then sweep() with
  /// what it returned. A warp takes a chunk at a time. Returns how many elements were guarded.
  __device__ Elements begin(int thread) const {
    const int chunk = thread / kWarp;
    return chunk < full_chunks() ? load<Share::full>(chunk) : load<Share::spread>(chunk);
  }
  __device__ int sweep(Elements x, int thread, int threads, const K& k, const Kept& kept) const {
    const int stride = threads / kWarp, full = full_chunks(), end = chunks();
    int chunk = thread / kWarp, guarded = 0;
    const bool some = chunk < full;
    if (some) sweep<Share::full>(x, chunk, full, stride, k, kept, guarded);
    if (chunk >= end) return guarded;
    if (some) x = load<Share::spread>(chunk);
    sweep<Share::spread>(x, chunk, end, stride, k, kept, guarded);
    return guarded;
  }

  /// Chunks up to `end`, of which there are some. The next bundle is under way while one is worked
  /// on.
  template <Share kShare>
  __device__ void sweep(Elements& x, int& chunk, int end, int stride, const K& k, const Kept& kept,
                        int& guarded) const {
    Sums none{};
#pragma unroll 1
    do {
      const int next = chunk + stride;
      Elements after = x;
      if (next < end) after = load<kShare>(next);
      step<kShare>(x, chunk, k, kept, none, guarded);
      x = after;
      chunk = next;
    } while (chunk < end);
  }

  /// The same of a sampled chunk: the sums of a chunk, which is a strip, go to `strips`. Nothing is
  /// loaded ahead, since registers are short.
  __device__ int measure(Elements x, int thread, int threads, const K& k, const Kept& kept,
                         Sums* strips) const {
    const int full = full_chunks(), end = chunks();
    int guarded = 0;
#pragma unroll 1
    for (int chunk = thread / kWarp; chunk < end; chunk += threads / kWarp) {
      const bool under_way = chunk == thread / kWarp && chunk < full;
      if (!under_way) x = load<Share::measured>(chunk);
      Sums sums;
      step<Share::measured>(x, chunk, k, kept, sums, guarded);
#pragma unroll
      for (int w = 0; w < reduction::kSweepSums; ++w) {
        T sum{sums.of[w]};
#pragma unroll
        for (int d = kWarp / 2; d > 0; d /= 2) {
          sum = sum + T{__shfl_xor_sync(0xffffffffU, sum.v, d)};
        }
        if (thread % kWarp == 0) strips[chunk].of[w] = sum.v;
      }
    }
    return guarded;
  }

  /// The sums of all strips, by one whole warp, in its first lane.
  __device__ reduction::SweptPartial fold(const Sums* strips) const {
    const int end = chunks();
    return fold_strips([&](int i, int w) { return i < end ? double(strips[i].of[w]) : 0.0; });
  }
  /// Or each warp leaves those of its own strips at to[0 .. room), zeros beyond the chunk's end.
  __device__ void leave(int thread, int threads, const Sums* strips, int room,
                        reduction::SweptPartial* to) const {
    const int lane = thread % kWarp, end = chunks();
    __syncwarp();
    for (int i = thread / kWarp; i < room; i += threads / kWarp) {
      if (lane < reduction::kSweepSums) to[i].sums[lane] = i < end ? double(strips[i].of[lane]) : 0;
    }
  }

  /// Exchanges the chunk with its snapshot.
  __device__ void swap(int thread, int threads, const Kept& kept) const {
    exchange(param, static_cast<E*>(kept.at[0]), thread, threads);
#pragma unroll
    for (int s = 0; s < kSlots; ++s) {
      if (slots[s] != nullptr) exchange(slots[s], static_cast<S*>(kept.at[1 + s]), thread, threads);
    }
  }

 private:
  template <class X>
  __device__ void exchange(X* a, X* b, int thread, int threads) const {
#pragma unroll 1
    for (int i = thread; i < count; i += threads) {
      const X x = a[i];
      a[i] = b[i];
      b[i] = x;
    }
  }
};

}  // namespace agmohd::cuda
