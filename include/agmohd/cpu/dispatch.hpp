// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <type_traits>

#include "measure.hpp"
#include "second_sweep.hpp"
#include "sweep.hpp"
#include "totals.hpp"
#include "zeroed.hpp"

namespace agmohd::cpu {

// The same loops for two instruction sets, chosen when the program runs. AVX2 without FMA:
// contraction would give the CPU other bits than the other backends.
#ifdef AGMOHD_HAS_AVX2
inline bool has_avx2() { return __builtin_cpu_supports("avx2"); }
#define AGMOHD_FLAT_AVX2 __attribute__((target("avx2"), flatten))
template <class R>
using vec_most = vec_avx2<R>;
/// Without AVX2, which few processors lack, float32 alone has vectors: it saves compile time.
template <class E>
using vec_base = std::conditional_t<std::is_same_v<E, float>, vec<float>, Compute<E>>;
#else
inline bool has_avx2() { return false; }
#define AGMOHD_FLAT_AVX2
template <class R>
using vec_most = vec<R>;
template <class E>
using vec_base = vec<Compute<E>>;
#endif

template <class Recipe, class E, class K>
AGMOHD_FLAT_AVX2 std::int64_t sweep_chunk_avx2(const Chunk<Recipe, E>& chunk, const K& k) {
  return sweep_chunk<vec_most<Compute<E>>>(chunk, k);
}
template <class Recipe, class E, class K>
__attribute__((flatten)) std::int64_t sweep_chunk_base(const Chunk<Recipe, E>& chunk, const K& k) {
  return sweep_chunk<vec_base<E>>(chunk, k);
}
template <class Recipe, class E, class K>
AGMOHD_FLAT_AVX2 std::int64_t measured_sweep_chunk_avx2(const Chunk<Recipe, E>& chunk, const K& k,
                                                        reduction::SweptPartial& out) {
  return measured_sweep_chunk<vec_most<Compute<E>>>(chunk, k, out);
}
template <class Recipe, class E, class K>
__attribute__((flatten)) std::int64_t measured_sweep_chunk_base(const Chunk<Recipe, E>& chunk,
                                                                const K& k,
                                                                reduction::SweptPartial& out) {
  return measured_sweep_chunk<vec_base<E>>(chunk, k, out);
}
template <class Recipe, class E>
AGMOHD_FLAT_AVX2 reduction::Partial measure_chunk_avx2(const Chunk<Recipe, E>& chunk,
                                                       const PrefixOf<Recipe, E>& k) {
  return measure_chunk<vec_most<Compute<E>>>(chunk, k);
}
template <class Recipe, class E>
__attribute__((flatten)) reduction::Partial measure_chunk_base(const Chunk<Recipe, E>& chunk,
                                                               const PrefixOf<Recipe, E>& k) {
  return measure_chunk<vec<Compute<E>>>(chunk, k);
}
template <class Recipe, class E, class K>
AGMOHD_FLAT_AVX2 double sum_chunk_avx2(const Chunk<Recipe, E>& chunk,
                                       const PrefixOf<Recipe, E>& prefix, const K& k) {
  return sum_chunk<vec_most<Compute<E>>>(chunk, prefix, k);
}
template <class Recipe, class E, class K>
__attribute__((flatten)) double sum_chunk_base(const Chunk<Recipe, E>& chunk,
                                               const PrefixOf<Recipe, E>& prefix, const K& k) {
  return sum_chunk<vec<Compute<E>>>(chunk, prefix, k);
}
template <class Recipe, class E, class K>
AGMOHD_FLAT_AVX2 void norms_of_chunk_avx2(const Chunk<Recipe, E>& chunk, const K& k,
                                          Norms<Recipe>& out) {
  norms_of_chunk<vec_most<Compute<E>>>(chunk, k, out);
}
template <class Recipe, class E, class K>
__attribute__((flatten)) void norms_of_chunk_base(const Chunk<Recipe, E>& chunk, const K& k,
                                                  Norms<Recipe>& out) {
  norms_of_chunk<vec_base<E>>(chunk, k, out);
}
template <class Recipe, class E, class K>
AGMOHD_FLAT_AVX2 std::int64_t write_chunk_avx2(const Chunk<Recipe, E>& chunk, const K& k) {
  return write_chunk<vec_most<Compute<E>>>(chunk, k);
}
template <class Recipe, class E, class K>
__attribute__((flatten)) std::int64_t write_chunk_base(const Chunk<Recipe, E>& chunk, const K& k) {
  return write_chunk<vec_base<E>>(chunk, k);
}
template <class Recipe, class E, class K, class T>
AGMOHD_FLAT_AVX2 void totals_sweep_chunk_avx2(const Chunk<Recipe, E>& chunk, const K& k, T& out,
                                              reduction::SweptPartial* swept) {
  totals_sweep_chunk<vec_most<Compute<E>>>(chunk, k, out, swept);
}
template <class Recipe, class E, class K, class T>
__attribute__((flatten)) void totals_sweep_chunk_base(const Chunk<Recipe, E>& chunk, const K& k,
                                                      T& out, reduction::SweptPartial* swept) {
  totals_sweep_chunk<vec_base<E>>(chunk, k, out, swept);
}
#undef AGMOHD_FLAT_AVX2

template <class Recipe, class E, class K, class T>
void sweep_totals(const Chunk<Recipe, E>& chunk, const K& k, T& out,
                  reduction::SweptPartial* swept) {
  has_avx2() ? totals_sweep_chunk_avx2(chunk, k, out, swept)
             : totals_sweep_chunk_base(chunk, k, out, swept);
}

}  // namespace agmohd::cpu
