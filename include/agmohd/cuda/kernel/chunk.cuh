// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <type_traits>

#include "../../policy/element.hpp"
#include "../../step/reduction.hpp"
#include "../view.hpp"
#include "factored_slot.cuh"
#include "load_store.cuh"
#include "number.cuh"
#include "rows.cuh"

namespace agmohd::cuda {

/// What a chunk of a recipe with Optimizer::zeroed() counts. Sweeps have no register left for a
/// counter: a warp adds what it finds at once, to an address that is a constant.
template <class Recipe>
struct ChunkCount {
  unsigned long long* zeroed;

  __device__ explicit ChunkCount(const View<Recipe>& view) : zeroed(&view.core->zeroed) {}
  /// Counts the gradients of a whole warp that are not finite, of which each lane has four, at `i`
  /// and every `step` behind, of the `count` of the chunk. Those beyond it are zeros, unless rows
  /// have values.
  template <class Four>
  __device__ void count_zeroed(const Four& g, int i, int step, int count) const {
    bool bad[4], some = false;
#pragma unroll
    for (int h = 0; h < 4; ++h) {
      const auto none = (g[h] - g[h]).v;  // as ZeroNonfinite has it
      bad[h] = !(none == 0) && (!Recipe::rows || i + h * step < count);
      some = some || bad[h];
    }
    if (__any_sync(0xffffffffU, some) == 0) return;
    int sum = 0;
#pragma unroll
    for (int h = 0; h < 4; ++h) sum += __popc(__ballot_sync(0xffffffffU, bad[h]));
    if (threadIdx.x % reduction::kWarp == 0) {
      atomicAdd(zeroed, static_cast<unsigned long long>(sum));
    }
  }
};
template <class Recipe>
requires(!Recipe::counts_zeroed) struct ChunkCount<Recipe> {
  __device__ explicit ChunkCount(const View<Recipe>&) {}
  template <class Four>
  __device__ void count_zeroed(const Four&, int, int, int) const {}
};

/// A chunk of a tensor in a sweep, and how its elements are loaded and stored. A thread works on a
/// bundle of elements at a time: neighbours, or where an array is misaligned every 32nd element, so
/// that the accesses of a warp coalesce.
template <class Recipe, class E>
struct ChunkAccess : ChunkRows<Recipe>, ChunkFactors<Recipe, Compute<E>>, ChunkCount<Recipe> {
  static constexpr int kSlots = Recipe::slot_count;
  static constexpr int kWarp = reduction::kWarp;
  using R = Compute<E>;
  using S = Stored<typename Recipe::Storage, E>;
  /// Eight where all elements have 2 bytes: accesses of 16 bytes.
  static constexpr int kBundle = bundle_size<Recipe, E>;
  static constexpr int kStrip = kWarp * kBundle;  // of a warp at a time
  static_assert(reduction::kChunk / kStrip <= reduction::kStrips);
  /// Further states, mostly options, or factored but in vectors, are not loaded ahead: registers
  /// are short.
  static constexpr int most_ahead() {
    if constexpr (Recipe::residual) {
      return Recipe::Rule::factored;
    } else {
      return kSlots < 2 ? kSlots : 2;
    }
  }
  static constexpr int kAhead = most_ahead();
  using State = Bundle<S, kBundle>;
  using States = State[kSlots > kAhead ? kSlots - kAhead : 1];
  struct Elements {
    Bundle<E, kBundle> param, grad;
    State slots[kAhead > 0 ? kAhead : 1];
  };

  std::int64_t first;  // element of the tensor
  E* param;
  const E* grad;
  S* slots[kSlots > 0 ? kSlots : 1];  // null: not used
  int count;
  bool aligned;
  bool usual;  // the first kAhead slots are used, and no other; the factored ones are vectors

  __device__ ChunkAccess(const View<Recipe>& view, const ChunkRef& ref, bool idle)
      : ChunkRows<Recipe>(view, ref.tensor, std::int64_t(ref.chunk) * reduction::kChunk),
        ChunkFactors<Recipe, Compute<E>>(view, ref.tensor,
                                         std::int64_t(ref.chunk) * reduction::kChunk),
        ChunkCount<Recipe>(view) {
    const DeviceTensor<Recipe>& tensor = view.tensors[ref.tensor];
    first = std::int64_t(ref.chunk) * reduction::kChunk;
    const std::int64_t left = idle ? 0 : tensor.numel - first;
    count = int(left < reduction::kChunk ? left : reduction::kChunk);
    param = static_cast<E*>(tensor.param) + first;
    grad = static_cast<const E*>(view.grads[ref.tensor]) + first;
    aligned = Bundle<E, kBundle>::aligned(param) && Bundle<E, kBundle>::aligned(grad);
    usual = this->vectors;
#pragma unroll
    for (int s = 0; s < kSlots; ++s) {
      slots[s] = tensor.slots[s] == nullptr ? nullptr : static_cast<S*>(tensor.slots[s]) + first;
      aligned = aligned && State::aligned(slots[s]);
      usual = usual && (slots[s] != nullptr) == (s < kAhead);
    }
  }

  /// How many strips the chunk has, and how many from its beginning are full: complete and aligned.
  __device__ int strips() const { return (count + kStrip - 1) / kStrip; }
  __device__ int full_strips() const { return aligned ? count / kStrip : 0; }

  /// How a warp shares a strip. A lane has neighbours of a full one, and of others every 32nd
  /// element, as far as there is one. What is measured is added in the order of neighbours, which a
  /// lane has of any strip then. Of a rule with further states, `full` is for those that do not use
  /// them, as constants, and `wide` for the others.
  enum class Share { full, wide, spread, measured };
  static constexpr bool kFurther = kSlots > kAhead;
  template <Share kShare>
  static constexpr int kStep = kShare == Share::spread ? kWarp : 1;

  template <Share kShare>
  __device__ bool is_full(int i) const {  // i: an element of the strip
    return kShare == Share::full || kShare == Share::wide ||
           (kShare == Share::measured && i < full_strips() * kStrip);
  }
  template <Share kShare>
  static __device__ int first_of(int strip) {  // a lane's first element
    const int lane = int(threadIdx.x) % kWarp;
    return strip * kStrip + (kShare == Share::spread ? lane : kBundle * lane);
  }
  /// How many of a lane's elements there are.
  template <Share kShare>
  __device__ int left(int i) const {
    return (count - i + kStep<kShare> - 1) / kStep<kShare>;
  }
  template <Share kShare>
  __device__ bool used(int s) const {
    return kFurther && kShare == Share::full ? s < kAhead : slots[s] != nullptr;
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
  __device__ Elements load(int strip) const {
    const int i = first_of<kShare>(strip);
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

  /// A snapshot's part of the chunk, the parameter first; the first is null where there is none,
  /// the others where the slot is not used.
  struct Kept {
    void* at[1 + kSlots];
    unsigned long long* spoiled;  // counts what is written there and not finite
  };
  /// Exchanges the chunk with its snapshot.
  __device__ void swap(int thread, int threads, const Kept& kept) const {
    exchange(param, static_cast<E*>(kept.at[0]), thread, threads);
#pragma unroll
    for (int s = 0; s < kSlots; ++s) {
      if (slots[s] != nullptr) exchange(slots[s], static_cast<S*>(kept.at[1 + s]), thread, threads);
    }
  }
  /// Writes what a lane has at `i` of the parameter, and by slot_at(s) of its slots, to a snapshot.
  template <Share kShare, class SlotAt>
  __device__ void keep(const Kept& kept, const Bundle<E, kBundle>& of_param, const SlotAt& slot_at,
                       int i) const {
    if (kept.at[0] == nullptr) return;
    store<kShare>(of_param, static_cast<E*>(kept.at[0]), i);
#pragma unroll
    for (int s = 0; s < kSlots; ++s) {
      if (used<kShare>(s)) store<kShare>(slot_at(s), static_cast<S*>(kept.at[1 + s]), i);
    }
    count_spoiled(&kept, i, kStep<kShare>, left<kShare>(i));
  }

 private:
  /// Looks at a lane's bundle of a snapshot again, once in many steps: a call, by values, which
  /// would take registers and the stack from the others.
  static __device__ __noinline__ void count_spoiled(const Kept* kept, int i, int stride, int left) {
    unsigned long long count = 0;
    for (int j = 0; j < kBundle && j < left; ++j) {
      const int at = i + j * stride;
      if constexpr (!Recipe::two_sweeps) {  // else the parameter is still to be written
        const R p = R(widen(static_cast<const E*>(kept->at[0])[at]));
        count += p - p == 0 ? 0 : 1;
      }
      for (int s = 0; s < kSlots; ++s) {
        if (kept->at[1 + s] == nullptr) continue;
        const R x = R(widen(static_cast<const S*>(kept->at[1 + s])[at]));
        count += x - x == 0 ? 0 : 1;
      }
    }
    if (count != 0) atomicAdd(kept->spoiled, count);
  }
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
