// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <c10/util/Half.h>

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <limits>
#include <type_traits>

#include "elements.hpp"
#include "reduction.hpp"
#include "vec.hpp"
#include "vec_avx2.hpp"

// The CPU's inner loops over one page: measure and sweep, vectorised with a scalar tail of the same
// arithmetic.
namespace agmohd::cpu {

template <class E>
using Compute = std::conditional_t<std::is_same_v<E, double>, double, float>;

inline float widen(Bf16 x) { return Bf16::widen(x.bits); }
inline float widen(F16 x) { return c10::detail::fp16_ieee_to_fp32_value(x.bits); }
inline void narrow(float x, Bf16& out) { out.bits = Bf16::narrow(x); }
inline void narrow(float x, F16& out) { out.bits = c10::detail::fp16_ieee_from_fp32_value(x); }

typedef std::uint16_t Words __attribute__((vector_size(16)));
typedef std::uint32_t DoubleWords __attribute__((vector_size(16)));
static_assert(std::endian::native == std::endian::little);

/// Bf16::narrow, four at a time, in the low halves.
inline DoubleWords narrow(vec<float>::half x) {
  const DoubleWords u = DoubleWords(x), even = (u + 0x7fffU + ((u >> 16) & 1U)) >> 16;
  const auto nan = x != x;
  return DoubleWords((nan & 0x7fc0) | (~nan & vec<float>::mask_half(even)));
}

/// Whether V is two vec<real> side by side.
template <class V>
inline constexpr bool is_wide = sizeof(V) == 64;

/// V: a scalar of E's computing type, or a vector lane of it.
template <class V, class E>
V load(const E* from) {
  V x;
  if constexpr (std::is_same_v<V, E>) {
    x = *from;
  } else if constexpr (std::is_floating_point_v<V>) {
    x = widen(*from);
  } else if constexpr (is_wide<V> && std::is_floating_point_v<E>) {
    x = V::load(from);
  } else if constexpr (is_wide<V>) {
    using Narrow = vec<typename V::real>;
    const Narrow parts[] = {load<Narrow>(from), load<Narrow>(from + Narrow::size)};
    std::memcpy(static_cast<void*>(&x), parts, sizeof x);
  } else if constexpr (std::is_floating_point_v<E>) {  // by halves: GCC keeps those in registers
    std::memcpy(&x.lo, from, sizeof x.lo);
    std::memcpy(&x.hi, from + V::size / 2, sizeof x.hi);
  } else if constexpr (std::is_same_v<E, Bf16>) {
    Words bits;
    std::memcpy(&bits, from, sizeof bits);
    const Words none{};  // the 16 low bits
    x.lo = vec<float>::half(__builtin_shufflevector(none, bits, 0, 8, 1, 9, 2, 10, 3, 11));
    x.hi = vec<float>::half(__builtin_shufflevector(none, bits, 4, 12, 5, 13, 6, 14, 7, 15));
  } else {
    float wide[V::size];
    for (int i = 0; i < V::size; ++i) wide[i] = widen(from[i]);
    std::memcpy(static_cast<void*>(&x), wide, sizeof x);
  }
  return x;
}

template <class V, class E>
void store(E* to, const V& x) {
  if constexpr (std::is_same_v<V, E>) {
    *to = x;
  } else if constexpr (std::is_floating_point_v<V>) {
    narrow(x, *to);
  } else if constexpr (is_wide<V> && std::is_floating_point_v<E>) {
    x.store(to);
  } else if constexpr (is_wide<V>) {
    vec<typename V::real> parts[2];
    std::memcpy(parts, &x, sizeof x);
    store(to, parts[0]);
    store(to + V::size / 2, parts[1]);
  } else if constexpr (std::is_floating_point_v<E>) {
    std::memcpy(to, &x.lo, sizeof x.lo);
    std::memcpy(to + V::size / 2, &x.hi, sizeof x.hi);
  } else if constexpr (std::is_same_v<E, Bf16>) {
    const Words bits = __builtin_shufflevector(Words(narrow(x.lo)), Words(narrow(x.hi)), 0, 2, 4, 6,
                                               8, 10, 12, 14);
    std::memcpy(to, &bits, sizeof bits);
  } else {
    float wide[V::size];
    std::memcpy(wide, &x, sizeof x);
    for (int i = 0; i < V::size; ++i) narrow(wide[i], to[i]);
  }
}

/// What the storage makes of a slot before it is stored.
template <class Storage, class V>
V rounded(const V& x, const typename Storage::Key& key, std::int64_t element, int slot) {
  if constexpr (std::is_floating_point_v<V>) {
    return Storage::rounds(key) ? Storage::rounded(x, key, element, slot) : x;
  } else if constexpr (std::is_same_v<Stored<Storage, typename V::real>, typename V::real>) {
    return x;
  } else if constexpr (is_wide<V>) {
    if (!Storage::rounds(key)) return x;
    vec<float> parts[2];
    std::memcpy(parts, &x, sizeof x);
    parts[0] = rounded<Storage>(parts[0], key, element, slot);
    parts[1] = rounded<Storage>(parts[1], key, element + vec<float>::size, slot);
    V out;
    std::memcpy(static_cast<void*>(&out), parts, sizeof out);
    return out;
  } else {
    if (!Storage::rounds(key)) return x;
    const auto low = std::uint32_t(element);  // a multiple of V::size: no carry within x
    const auto high = std::uint32_t(std::uint64_t(element) >> 32);
    const DoubleWords at = low + DoubleWords{0, 1, 2, 3};
    using Half = typename V::half;
    return {Half(Storage::rounded_bits(DoubleWords(x.lo), key, at, high, slot)),
            Half(Storage::rounded_bits(DoubleWords(x.hi), key, at + 4U, high, slot))};
  }
}

/// Everything about a page that the loops need.
template <class Recipe, class E>
struct Page {
  using Slot = Stored<typename Recipe::Storage, E>;
  static constexpr int kRoom = Recipe::slot_count > 0 ? Recipe::slot_count : 1;
  E* param;
  const E* grad;
  Slot* slots[kRoom];  // null: not used
  std::int64_t count;
  std::int64_t first;  // element of the tensor
  E* kept_param;       // of a snapshot that is to be written, or swapped; null: none
  Slot* kept_slots[kRoom];
  const Page* next;  // this thread's page after this one; null: unknown

  /// Asks the memory for the next page while this one is worked on: hardware looks ahead within a
  /// long stream alone, and all at once would be more than it takes.
  void ask_grad(std::int64_t i) const {
    if (next != nullptr && i < next->count) __builtin_prefetch(next->grad + i);
  }
  void ask(std::int64_t i) const {
    if (next == nullptr || i >= next->count) return;
    __builtin_prefetch(next->grad + i);
    __builtin_prefetch(next->param + i);
    for (int j = 0; j < Recipe::slot_count; ++j) {
      if (next->slots[j] != nullptr) __builtin_prefetch(next->slots[j] + i);
    }
  }
};

/// `watched`: nothing, or a Recipe::Guarded<V> or Recipe::Watched<V>.
template <class Recipe, class V, class E, class K, class... Watched>
void sweep_at(const Page<Recipe, E>& page, std::int64_t i, const K& k, Watched&... watched) {
  typename Recipe::template Slots<V> s{};
  for_each_slot<Recipe::slot_count>(s, [&](int j, V& slot) {
    if (page.slots[j] != nullptr) slot = load<V>(page.slots[j] + i);
  });
  const V p = Recipe::sweep(load<V>(page.param + i), load<V>(page.grad + i), s, k, watched...);
  store(page.param + i, p);
  for_each_slot<Recipe::slot_count>(s, [&](int j, V& slot) {
    if (page.slots[j] == nullptr) return;
    slot = rounded<typename Recipe::Storage>(slot, k.storage, page.first + i, j);
    store(page.slots[j] + i, slot);
  });
  if constexpr (Recipe::heals) {
    if (page.kept_param == nullptr) return;
    store(page.kept_param + i, p);
    for_each_slot<Recipe::slot_count>(s, [&](int j, V& slot) {
      if (page.slots[j] != nullptr) store(page.kept_slots[j] + i, slot);
    });
  }
}

/// Exchanges the page with its snapshot.
template <class Recipe, class E>
void swap_page(const Page<Recipe, E>& page) {
  std::swap_ranges(page.param, page.param + page.count, page.kept_param);
  for (int j = 0; j < Recipe::slot_count; ++j) {
    if (page.slots[j] == nullptr) continue;
    std::swap_ranges(page.slots[j], page.slots[j] + page.count, page.kept_slots[j]);
  }
}

/// How many elements of a vector the rule's guard changed.
template <class W>
std::int64_t changed(const W& watched) {
  if (!watched.doubted) [[likely]]
    return 0;
  if constexpr (requires { watched.guarded.lo; }) {
    constexpr int size = sizeof watched.guarded.lo / sizeof watched.guarded.lo[0];
    std::int64_t sum = 0;
    for (int j = 0; j < size; ++j) sum -= watched.guarded.lo[j] + watched.guarded.hi[j];
    return sum;
  } else {
    return watched.guarded ? 1 : 0;
  }
}

/// By vectors V, or scalars, and a scalar tail. Returns how many elements the rule's guard changed.
/// By value: what is stored to memory could be a part of what a reference names.
template <class V, class Recipe, class E, class K>
std::int64_t sweep_page(const Page<Recipe, E> page, const K k) {
  std::int64_t guarded = 0;
  const auto sweep = [&]<class T>(std::int64_t i, T) {
    if constexpr (Recipe::guards) {
      typename Recipe::template Guarded<T> w;
      sweep_at<Recipe, T>(page, i, k, w);
      guarded += changed(w);
    } else {
      sweep_at<Recipe, T>(page, i, k);
    }
  };
  std::int64_t i = 0;
  if constexpr (!std::is_floating_point_v<V>) {
    for (; i + V::size <= page.count; i += V::size) {
      page.ask(i);
      sweep(i, V{});
    }
  }
  for (; i < page.count; ++i) sweep(i, Compute<E>{});
  return guarded;
}

/// sweep_page() of a sampled page: with the sums of core/reduction.hpp.
template <class V, class Recipe, class E, class K>
std::int64_t measured_sweep_page(const Page<Recipe, E> page, const K k,
                                 reduction::SweptPartial& out) {
  using namespace reduction;
  using R = Compute<E>;
  using Narrow = vec<R>;
  constexpr int kGroup = 2 * Narrow::size, kBundle = bundle_size<Recipe, E>;
  constexpr int kOwners = kGroup / kBundle;  // the lanes that own a group
  constexpr int kStep = int(sizeof(V) / sizeof(R));
  static_assert(kGroup % kStep == 0);
  alignas(32) R lanes[kWatched][kLanes] = {};
  std::int64_t guarded = 0;
  for (std::int64_t i = 0; i < page.count; i += kGroup) {
    page.ask(i);
    alignas(32) R seen[kWatched][kGroup];
    const auto sweep = [&]<class T>(int j, T) {
      typename Recipe::template Watched<T> w;
      sweep_at<Recipe, T>(page, i + j, k, w);
      store(seen[0] + j, T(w.step * w.step));
      store(seen[1] + j, w.along_previous);
      store(seen[2] + j, w.along);
      guarded += changed(w);
    };
    if (i + kGroup <= page.count) {
      for (int j = 0; j < kGroup; j += kStep) sweep(j, V{});
    } else {
      std::memset(seen, 0, sizeof seen);
      for (int j = 0; i + j < page.count; ++j) sweep(j, R{});
    }
    for (int w = 0; w < kWatched; ++w) {
      const auto a = load<Narrow>(seen[w]), b = load<Narrow>(seen[w] + Narrow::size);
      const auto quads = Narrow::pairs(Narrow::pairs(a.lo, a.hi), Narrow::pairs(b.lo, b.hi));
      R* const to = lanes[w] + i / kBundle % kLanes;
      for (int l = 0; l < kOwners; ++l) {
        to[l] += kBundle == 4 ? quads[l] : quads[2 * l] + quads[2 * l + 1];
      }
    }
  }
  for (int w = 0; w < kWatched; ++w) {
    double warps[kLanes / kWarp];
    for (int l = 0; l < kLanes; l += kWarp) {
      fold<kWarp / 2>(lanes[w] + l);
      warps[l / kWarp] = double(lanes[w][l]);
    }
    fold<kLanes / kWarp / 2>(warps);
    out.sums[w] = warps[0];
  }
  return guarded;
}

/// The gradient as it is measured; beyond the page zeros.
template <class Recipe, class V, class E>
V measured_at(const Page<Recipe, E>& page, std::int64_t i, const typename Recipe::Shared& o) {
  if (i + V::size <= page.count) return Recipe::measured(load<V>(page.grad + i), o);
  Compute<E> x[V::size] = {};
  for (std::int64_t j = i; j < page.count; ++j) {
    x[j - i] = Recipe::measured(load<Compute<E>>(page.grad + j), o);
  }
  return load<V>(x);
}

/// Adds what a lane owns once more, in double, and counts what is not finite. For float64 only the
/// count is new.
template <class Recipe, class E>
__attribute__((noinline)) void rescue(const Page<Recipe, E>& page, int lane,
                                      const typename Recipe::Shared& o, double& sum,
                                      std::int64_t& nonfinite) {
  double rescued = 0;
  for (std::int64_t row = 4 * lane; row < page.count; row += reduction::kRow) {
    for (std::int64_t i = row; i < std::min<std::int64_t>(row + 4, page.count); ++i) {
      const double g = double(Recipe::measured(load<Compute<E>>(page.grad + i), o));
      rescued += g * g;
      if (!(g - g == 0)) ++nonfinite;
    }
  }
  if constexpr (sizeof(Compute<E>) == 4) sum = rescued;
}

/// The elements from `i` on of a slot; beyond the page, or where the slot is not used, zeros.
template <class Recipe, class V, class E>
V slot_at(const Page<Recipe, E>& page, int slot, std::int64_t i) {
  const auto* const from = page.slots[slot];
  if (from == nullptr) return V{};
  if (i + V::size <= page.count) return load<V>(from + i);
  Compute<E> x[V::size] = {};
  for (std::int64_t j = i; j < page.count; ++j) x[j - i] = load<Compute<E>>(from + j);
  return load<V>(x);
}

/// What a page contributes to the sums of its recipe's rule.
template <class Recipe, class E, class K>
double sum_page(const Page<Recipe, E> page, const typename Recipe::Shared o, const K k) {
  using namespace reduction;
  using V = vec<Compute<E>>;
  constexpr int kGroup = 2 * V::size, kOwners = kGroup / 4;
  alignas(16) double lanes[kLanes];
  const std::int64_t columns = std::min<std::int64_t>(page.count, kRow);
  int lane = 0;
  for (std::int64_t c = 0; c < columns; c += kGroup, lane += kOwners) {
    V sums[2] = {};
    for (std::int64_t row = c; row < page.count; row += kRow) {
      for (int h = 0; h < 2; ++h) {
        const std::int64_t i = row + h * V::size;
        if (i >= page.count) continue;
        typename Recipe::template Slots<V> s{};
        for_each_slot<Recipe::slot_count>(
            s, [&](int j, V& slot) { slot = slot_at<Recipe, V>(page, j, i); });
        const V x = Recipe::Rule::summed(measured_at<Recipe, V>(page, i, o), s, k);
        sums[h] = sums[h] + x;
      }
    }
    const auto quads = V::pairs(V::pairs(sums[0].lo, sums[0].hi), V::pairs(sums[1].lo, sums[1].hi));
    for (int l = 0; l < kOwners; ++l) lanes[lane + l] = double(quads[l]);
  }
  for (int l = lane; l % kWarp != 0; ++l) lanes[l] = 0;
  return butterfly(lanes, lane);
}

template <class Recipe, class E>
reduction::Partial measure_page(const Page<Recipe, E> page, const typename Recipe::Shared o) {
  using namespace reduction;
  using R = Compute<E>;
  using V = vec<R>;
  using Bits = typename V::mask_half;
  using B = typename V::bits;
  constexpr bool wide = sizeof(R) == 8;
  constexpr B mask = std::numeric_limits<B>::max();  // all but the sign
  constexpr B tiny = wide ? 0 : B(kTiny),
              huge = wide ? std::bit_cast<B>(std::numeric_limits<R>::infinity()) : B(kHuge);
  constexpr int kGroup = 2 * V::size;  // columns, four vectors of 16 bytes
  constexpr int kOwners = kGroup / 4;  // the lanes that own them
  alignas(16) double lanes[kLanes];
  Partial out{0, 0, 0};
  Bits most{};
  const std::int64_t columns = std::min<std::int64_t>(page.count, kRow);
  int lane = 0;
  for (std::int64_t c = 0; c < columns; c += kGroup, lane += kOwners) {
    page.ask_grad(c);
    V s0{}, s1{};
    Bits m0{}, m1{}, m2{}, m3{};
    for (std::int64_t i = c; i < page.count; i += kRow) {
      const V g0 = measured_at<Recipe, V>(page, i, o),
              g1 = measured_at<Recipe, V>(page, i + V::size, o);
      s0 = s0 + g0 * g0;
      s1 = s1 + g1 * g1;
      m0 = V::larger(m0, Bits(g0.lo) & mask);
      m1 = V::larger(m1, Bits(g0.hi) & mask);
      m2 = V::larger(m2, Bits(g1.lo) & mask);
      m3 = V::larger(m3, Bits(g1.hi) & mask);
    }
    const auto sums = V::pairs(V::pairs(s0.lo, s0.hi), V::pairs(s1.lo, s1.hi));
    const Bits peaks = V::larger_pairs(V::larger_pairs(m0, m1), V::larger_pairs(m2, m3));
    most = V::larger(most, peaks);
    for (int l = 0; l < kOwners; ++l) lanes[lane + l] = double(sums[l]);
    const Bits strange = (peaks >= huge) | ((peaks < tiny) & (peaks != 0));
    std::uint64_t any[2];
    std::memcpy(any, &strange, sizeof any);
    if ((any[0] | any[1]) == 0) continue;
    for (int l = 0; l < kOwners; ++l) {
      if (strange[l] != 0) rescue(page, lane + l, o, lanes[lane + l], out.nonfinite);
    }
  }
  for (int l = lane; l % kWarp != 0; ++l) lanes[l] = 0;
  out.norm2 = butterfly(lanes, lane);
  B largest = 0;
  for (int l = 0; l < kOwners; ++l) largest = std::max(largest, most[l]);
  out.max_abs = double(std::bit_cast<R>(largest));
  return out;
}

}  // namespace agmohd::cpu
