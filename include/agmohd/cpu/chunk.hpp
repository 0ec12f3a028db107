// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "../policy/element.hpp"
#include "../rule/rule.hpp"
#include "../step/reduction.hpp"
#include "load_store.hpp"
#include "vec.hpp"
#include "vec_avx2.hpp"

// The CPU's inner loops over one chunk: measure and sweep, vectorised with a scalar tail of the
// same arithmetic.
namespace agmohd::cpu {

/// Everything about a chunk that the loops need.
template <class Recipe, class E>
struct Chunk {
  using Slot = Stored<typename Recipe::Storage, E>;
  static constexpr int kRoom = Recipe::slot_count > 0 ? Recipe::slot_count : 1;
  E* param;
  const E* grad;
  Slot* slots[kRoom];  // null: not used
  std::int64_t count;
  std::int64_t first;  // element of the tensor
  E* kept_param;       // of a snapshot that is to be written, or swapped; null: none
  Slot* kept_slots[kRoom];
  /// Whether it has the slots that most rules use by default, the first two, and no snapshot.
  bool usual() {
    if (kept_param != nullptr) return false;
    for (int j = 0; j < Recipe::slot_count; ++j) {
      if ((slots[j] != nullptr) != (j < 2)) return false;
    }
    kept_param = nullptr;
    for (int j = 2; j < Recipe::slot_count; ++j) slots[j] = nullptr;
    return true;
  }
  const Chunk* next;  // this thread's chunk after this one; null: unknown

  /// Asks the memory for the next chunk while this one is worked on: hardware looks ahead within a
  /// long stream alone, and all at once would be more than it takes. Inlined early: GCC takes a
  /// function that only prefetches for one without effects, and drops the call.
  __attribute__((always_inline)) void ask_grad(std::int64_t i) const {
    if (next != nullptr && i < next->count) __builtin_prefetch(next->grad + i);
  }
  __attribute__((always_inline)) void ask(std::int64_t i) const {
    if (next == nullptr || i >= next->count) return;
    __builtin_prefetch(next->grad + i);
    __builtin_prefetch(next->param + i);
    for (int j = 0; j < Recipe::slot_count; ++j) {
      if (next->slots[j] != nullptr) __builtin_prefetch(next->slots[j] + i);
    }
  }
};

/// `result`: nothing, or a Recipe::Guarded<V> or Recipe::SweepValues<V>.
template <class Recipe, class V, class E, class K, class... SweepResult>
void sweep_at(const Chunk<Recipe, E>& chunk, std::int64_t i, const K& k, SweepResult&... result) {
  typename Recipe::template Slots<V> s{};
  for_each_slot<Recipe::slot_count>(s, [&](int j, V& slot) {
    if (chunk.slots[j] != nullptr) slot = load<V>(chunk.slots[j] + i);
  });
  const V p = Recipe::sweep(load<V>(chunk.param + i), load<V>(chunk.grad + i), s, k, result...);
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

/// Writes the chunk to its snapshot.
template <class Recipe, class E>
void keep_chunk(const Chunk<Recipe, E>& chunk) {
  std::copy_n(chunk.param, chunk.count, chunk.kept_param);
  for (int j = 0; j < Recipe::slot_count; ++j) {
    if (chunk.slots[j] != nullptr) std::copy_n(chunk.slots[j], chunk.count, chunk.kept_slots[j]);
  }
}

/// Exchanges the chunk with its snapshot.
template <class Recipe, class E>
void swap_chunk(const Chunk<Recipe, E>& chunk) {
  std::swap_ranges(chunk.param, chunk.param + chunk.count, chunk.kept_param);
  for (int j = 0; j < Recipe::slot_count; ++j) {
    if (chunk.slots[j] == nullptr) continue;
    std::swap_ranges(chunk.slots[j], chunk.slots[j] + chunk.count, chunk.kept_slots[j]);
  }
}

/// How many elements of a chunk's part of a snapshot are not finite.
template <class Recipe, class E>
std::int64_t spoiled(const Chunk<Recipe, E>& chunk) {
  std::int64_t count = 0;
  const auto add = [&](const auto* kept) {
    for (std::int64_t i = 0; i < chunk.count; ++i) {
      const auto x = load<Compute<E>>(kept + i);
      if (!(x - x == 0)) ++count;
    }
  };
  add(chunk.kept_param);
  for (int j = 0; j < Recipe::slot_count; ++j) {
    if (chunk.slots[j] != nullptr) add(chunk.kept_slots[j]);
  }
  return count;
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

/// The gradient as it is measured; beyond the chunk zeros.
template <class Recipe, class V, class E>
V measured_at(const Chunk<Recipe, E>& chunk, std::int64_t i, const typename Recipe::Shared& o) {
  if (i + V::size <= chunk.count) return Recipe::measured(load<V>(chunk.grad + i), o);
  Compute<E> x[V::size] = {};
  for (std::int64_t j = i; j < chunk.count; ++j) {
    x[j - i] = Recipe::measured(load<Compute<E>>(chunk.grad + j), o);
  }
  return load<V>(x);
}

/// Adds what a lane owns once more, in double, and counts what is not finite. For float64 only the
/// count is new.
template <class Recipe, class E>
__attribute__((noinline)) void rescue(const Chunk<Recipe, E>& chunk, int lane,
                                      const typename Recipe::Shared& o, double& sum,
                                      std::int64_t& nonfinite) {
  double rescued = 0;
  for (std::int64_t row = 4 * lane; row < chunk.count; row += reduction::kRow) {
    for (std::int64_t i = row; i < std::min<std::int64_t>(row + 4, chunk.count); ++i) {
      const double g = double(Recipe::measured(load<Compute<E>>(chunk.grad + i), o));
      rescued += g * g;
      if (!(g - g == 0)) ++nonfinite;
    }
  }
  if constexpr (sizeof(Compute<E>) == 4) sum = rescued;
}

/// The elements from `i` on of a slot; beyond the chunk, or where the slot is not used, zeros.
template <class Recipe, class V, class E>
V slot_at(const Chunk<Recipe, E>& chunk, int slot, std::int64_t i) {
  const auto* const from = chunk.slots[slot];
  if (from == nullptr) return V{};
  if (i + V::size <= chunk.count) return load<V>(from + i);
  Compute<E> x[V::size] = {};
  for (std::int64_t j = i; j < chunk.count; ++j) x[j - i] = load<Compute<E>>(from + j);
  return load<V>(x);
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
double sum_chunk(const Chunk<Recipe, E> chunk, const typename Recipe::Shared o, const K k) {
  using namespace reduction;
  constexpr int kGroup = 4 * V::size;  // columns
  alignas(64) Compute<E> sums[kGroup];
  double lanes[kLanes];
  const int columns = int(std::min<std::int64_t>(chunk.count, kRow));
  for (int c = 0; c < columns; c += kGroup) {
    for (int j = 0; j < kGroup; j += V::size) {
      V sum{};
      for (std::int64_t i = c + j; i < chunk.count; i += kRow) {
        typename Recipe::template Slots<V> s{};
        for_each_slot<Recipe::slot_count>(
            s, [&](int n, V& slot) { slot = slot_at<Recipe, V>(chunk, n, i); });
        const V x = Recipe::Rule::summed(measured_at<Recipe, V>(chunk, i, o), s, k);
        sum = sum + (i + V::size <= chunk.count ? x : first<V>(x, chunk.count - i));
      }
      store(sums + j, sum);
    }
    V::template bundles<4>(sums).widen(lanes + c / 4);
  }
  return butterfly(lanes, (columns + 3) / 4);
}

template <class V, class Recipe, class E>
reduction::Partial measure_chunk(const Chunk<Recipe, E> chunk, const typename Recipe::Shared o) {
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
        const V g = measured_at<Recipe, V>(chunk, i, o);
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
      rescue(chunk, c / 4 + l, o, lanes[c / 4 + l], out.nonfinite);
    }
  }
  out.norm2 = butterfly(lanes, (columns + 3) / 4);
  B all[V::size];
  std::memcpy(all, &most, sizeof most);
  out.max_abs = double(std::bit_cast<R>(*std::max_element(all, all + V::size)));
  return out;
}

}  // namespace agmohd::cpu
