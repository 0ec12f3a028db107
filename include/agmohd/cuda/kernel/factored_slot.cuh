// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

#include "../../step/factors.hpp"
#include "../factors.hpp"
#include "../view.hpp"
#include "load_store.cuh"
#include "number.cuh"

namespace agmohd::cuda {

/// The size of a dimension, for places in it to which something was added.
struct Extent {
  unsigned size = 1, inverse = 0;

  Extent() = default;
  __device__ explicit Extent(std::int64_t of) : size(unsigned(of)), inverse(0xffffffffU / size) {}
  /// Takes the size from `place` as often as it fits, each time adding 1 to `higher`.
  __device__ void carry(unsigned& place, unsigned& higher) const {
    const unsigned times = __umulhi(place, inverse);  // the quotient, or one less
    place -= times * size;
    higher += times;
    if (place >= size) place -= size, higher += 1;
  }
};

/// The factored slot of a tensor at the elements of a chunk; nothing where the recipe has none.
template <class Recipe, class R, bool = Recipe::factored, bool = Recipe::by_rows,
          bool = Recipe::residual>
struct ChunkFactors {
  static constexpr bool vectors = true;
  __device__ ChunkFactors(const View<Recipe>&, int, std::int64_t) {}
  template <bool kVectors, class Four>
  __device__ void take_factored(int, int, int, int, Four&) const {}
};
template <class Recipe, class R>
struct ChunkFactors<Recipe, R, true, false, false> {
  const R *of_outer = nullptr, *of_inner = nullptr;  // by the dimensions of FactorShape
  const FactorShape* shape = nullptr;
  Extent outer, inner;
  std::int64_t front = 0;  // the first element's places in all dimensions
  unsigned in_outer = 0, in_between = 0, in_inner = 0, in_behind = 0;
  bool vectors = false;  // in plain matrices four neighbours are, aligned, in the factors, too

  __device__ ChunkFactors(const View<Recipe>& view, int t, std::int64_t first) {
    const DeviceTensor<Recipe>& tensor = view.tensors[t];
    if (!tensor.factors.used()) return;
    shape = &tensor.factors.shape;
    outer = Extent(shape->outer), inner = Extent(shape->inner);
    front = first;
    in_behind = take_place(front, shape->behind);
    in_inner = take_place(front, shape->inner);
    in_between = take_place(front, shape->between);
    in_outer = take_place(front, shape->outer);
    vectors = shape->between == 1 && shape->behind == 1 && inner.size % 4 == 0;
    find(step_factors<Recipe, R, false>(tensor), of_outer, of_inner);
  }

  /// Slot `s` of the elements i, i + step, ... of the chunk, which has `count`, if it is factored.
  /// kVectors: `vectors` holds, and they are four neighbours.
  template <bool kVectors, class Four>
  __device__ void take_factored(int s, int i, int step, int count, Four& slot) const {
    if (s == Recipe::Rule::factored) take<kVectors>(of_outer, of_inner, i, step, count, slot);
  }

 protected:
  /// The factors by dimension, from those of `front` on.
  __device__ void find(const StepFactors<R>& of, const R*& by_outer, const R*& by_inner) {
    const FactorShape& s = *shape;
    by_outer = (s.rows_outer ? of.rows : of.columns) + front * s.outer * s.between * s.behind;
    by_inner = (s.rows_outer ? of.columns : of.rows) + front * s.between * s.inner * s.behind;
    vectors = vectors && Bundle<R, 4>::aligned(by_inner);
  }
  /// The products of two arrays; null: the tensor has no factors.
  template <bool kVectors, class Four>
  __device__ void take(const R* by_outer, const R* by_inner, int i, int step, int count,
                       Four& slot) const {
    if (kVectors || (vectors && step == 1 && i + 4 <= count)) {
      const Place at = plain_place(i);
      Bundle<R, 4> y;
      y.load(by_inner + at.inner);
      const R x = by_outer[at.outer];
      slot = Four::make([&](int h) { return product(x, y.widened(h)); });
      return;
    }
    if (by_outer == nullptr) return;
    const Extent between(shape->between), behind(shape->behind);
    const Place at = place(i, between, behind);
    if (step == 1 && i + 4 <= count && at.left >= 4) {
      const bool moves = behind.size > 1;
      const R *const x = by_outer + at.outer, *const y = by_inner + at.inner;
      slot = Four::make([&](int h) { return product(x[moves ? h : 0], y[h]); });
      return;
    }
#pragma unroll 1
    for (int h = 0; h < 4; ++h) {  // seldom: short code that needs few registers
      const int element = i + h * step;
      R x = 0;
      if (element < count) {
        const Place one = place(element, between, behind);
        x = product(by_outer[one.outer], by_inner[one.inner]);
      }
      slot = Four::make([&](int j) { return j == h ? x : slot.v[j]; });
    }
  }

 private:
  /// Of an element in the factors by dimension, and how many in a row are neighbours there, too.
  struct Place {
    std::size_t outer, inner;
    unsigned left;
  };
  static __device__ R product(R a, R b) { return (strict<R>{a} * strict<R>{b}).v; }
  /// The remainder of a number; the quotient stays.
  static __device__ unsigned take_place(std::int64_t& number, std::int64_t size) {
    if (size == 1) return 0;
    const auto rest = unsigned(number % size);
    number /= size;
    return rest;
  }
  __device__ Place plain_place(int i) const {
    unsigned o = in_outer, n = in_inner + unsigned(i);
    inner.carry(n, o);
    const unsigned at_outer = o, left = inner.size - n;
    if (o >= outer.size) {  // in a further matrix
      unsigned f = 0;
      outer.carry(o, f);
      n += f * inner.size;
    }
    return {at_outer, n, left};
  }
  __device__ Place place(int i, const Extent& between, const Extent& behind) const {
    unsigned f = 0, o = in_outer, b = in_between, n = in_inner, k = in_behind + unsigned(i);
    behind.carry(k, n);
    inner.carry(n, b);
    between.carry(b, o);
    outer.carry(o, f);
    const std::size_t of = std::size_t(f) * between.size;
    return {((std::size_t(f) * outer.size + o) * between.size + b) * behind.size + k,
            ((of + b) * inner.size + n) * behind.size + k,
            behind.size > 1 ? behind.size - k : inner.size - n};
  }
};

/// Two slots are factored.
template <class Recipe, class R>
struct ChunkFactors<Recipe, R, true, false, true> : ChunkFactors<Recipe, R, true, false, false> {
  using First = ChunkFactors<Recipe, R, true, false, false>;
  const R *residual_outer = nullptr, *residual_inner = nullptr;

  __device__ ChunkFactors(const View<Recipe>& view, int t, std::int64_t first)
      : First(view, t, first) {
    const DeviceTensor<Recipe>& tensor = view.tensors[t];
    if (!tensor.factors.used()) return;
    this->find(step_factors<Recipe, R, true>(tensor), residual_outer, residual_inner);
  }
  template <bool kVectors, class Four>
  __device__ void take_factored(int s, int i, int step, int count, Four& slot) const {
    First::template take_factored<kVectors>(s, i, step, count, slot);
    if (s == Recipe::Rule::refactored) {
      this->template take<kVectors>(residual_outer, residual_inner, i, step, count, slot);
    }
  }
};

/// The slot is the average of the element's row.
template <class Recipe, class R>
struct ChunkFactors<Recipe, R, true, true, false> {
  static constexpr bool vectors = true;
  const R* averages;         // of the tensor
  std::int64_t row, within;  // of the chunk's first element, and its number in that row's run
  RowShape shape;

  __device__ ChunkFactors(const View<Recipe>& view, int t, std::int64_t first)
      : averages(static_cast<const R*>(view.tensors[t].factors.row)),
        shape(view.tensors[t].factors.shape) {
    row = shape.of(first);
    within = first % shape.stride;
  }
  /// Slot `s` of the elements i, i + step, ... of the chunk, which has `count`.
  template <bool, class Four>
  __device__ void take_factored(int s, int i, int step, int count, Four& slot) const {
    if (s != Recipe::Rule::factored) return;
    if (within + i + 3 * step < shape.stride && i + 3 * step < count) {  // in one row
      slot = Four::all(averages[row]);
    } else {
      slot = Four::make([&](int h) {
        const int element = i + h * step;
        return element < count ? averages[row_of(element)] : R(0);
      });
    }
  }

 private:
  __device__ std::int64_t row_of(int i) const {
    const std::int64_t at = within + i;
    if (at < shape.stride) return row;
    // Both fit 32 bits, or it is the next row.
    const std::int64_t more =
        shape.stride > reduction::kChunk ? 1 : std::int64_t(unsigned(at) / unsigned(shape.stride));
    const std::int64_t r = row + more;
    if (r < shape.count) return r;
    return shape.count <= reduction::kChunk ? unsigned(r) % unsigned(shape.count) : r % shape.count;
  }
};

}  // namespace agmohd::cuda
