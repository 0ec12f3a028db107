// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <c10/util/Half.h>

#include <bit>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "../policy/element.hpp"
#include "vec.hpp"
#include "vec_avx2.hpp"

// Elements on their way between memory and the CPU's number types.
namespace agmohd::cpu {

template <class E>
using Compute = std::conditional_t<std::is_same_v<E, double>, double, float>;

/// f(E{}), E being the element type of a dtype.
template <class F>
decltype(auto) with_element(Dtype dtype, const F& f) {
  switch (dtype) {
    case Dtype::f32:
      return f(float{});
    case Dtype::f64:
      return f(double{});
    case Dtype::bf16:
      return f(Bf16{});
    default:
      return f(F16{});
  }
}

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

/// V: a scalar of E's computing type, or a vector of it.
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
    std::memcpy(parts, static_cast<const void*>(&x), sizeof x);
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
    std::memcpy(wide, static_cast<const void*>(&x), sizeof x);
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
    std::memcpy(parts, static_cast<const void*>(&x), sizeof x);
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

}  // namespace agmohd::cpu
