// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <type_traits>

#include "../../step/factors.hpp"
#include "../factors.hpp"
#include "../view.hpp"
#include "number.cuh"

namespace agmohd::cuda {

/// The factored slot of a tensor at the elements of a chunk; nothing where the recipe has none.
template <class Recipe, class R, bool = Recipe::factored, bool = Recipe::by_rows,
          bool = Recipe::residual>
struct ChunkFactors {
  __device__ ChunkFactors(const View<Recipe>&, int, std::int64_t) {}
  template <class Four>
  __device__ void take_factored(int, int, int, int, Four&) const {}
  __device__ bool factored() const { return false; }
  __device__ bool factored(int) const { return false; }
};
template <class Recipe, class R>
struct ChunkFactors<Recipe, R, true, false, false> {
  const R *of_outer = nullptr, *of_inner = nullptr;  // by the dimensions of FactorShape
  FactorShape shape;
  std::int64_t front = 0, outer = 0, between = 0, inner = 0, behind = 0;  // of the first element

  __device__ ChunkFactors(const View<Recipe>& view, int t, std::int64_t first) {
    const DeviceTensor<Recipe>& tensor = view.tensors[t];
    if (!tensor.factors.used()) return;
    shape = tensor.factors.shape;
    const R* const rows = static_cast<const R*>(tensor.scaled);
    const R* const columns = static_cast<const R*>(tensor.factors.column);
    of_outer = shape.rows_outer ? rows : columns;
    of_inner = shape.rows_outer ? columns : rows;
    front = first;
    take(front, behind, shape.behind);
    take(front, inner, shape.inner);
    take(front, between, shape.between);
    take(front, outer, shape.outer);
  }
  /// Whether the tensor has factors in the place of a slot; of slot `s`.
  __device__ bool factored() const { return of_outer != nullptr; }
  __device__ bool factored(int s) const { return s == Recipe::Rule::factored && factored(); }

  /// Slot `s` of the elements i, i + step, ... of the chunk, which has `count`, if it is factored.
  template <class Four>
  __device__ void take_factored(int s, int i, int step, int count, Four& slot) const {
    if (factored(s)) take(of_outer, of_inner, i, step, count, slot);
  }

 protected:
  /// The products of two arrays, by the dimensions of FactorShape.
  template <class Four>
  __device__ void take(const R* by_outer, const R* by_inner, int i, int step, int count,
                       Four& slot) const {
    const Place at = place(i);
    const bool moves = shape.behind > 1;
    const std::int64_t left = moves ? shape.behind - at.behind : shape.inner - at.inner;
    if (step == 1 && left >= 4 && i + 4 <= count) {  // neighbours in the factors too
      const R *const x = by_outer + at.in_outer(shape), *const y = by_inner + at.in_inner(shape);
      slot = Four::make([&](int h) { return product(x[moves ? h : 0], y[h]); });
    } else {
      slot = Four::make([&](int h) {
        const int element = i + h * step;
        if (element >= count) return R(0);
        const Place one = h == 0 ? at : place(element);
        return product(by_outer[one.in_outer(shape)], by_inner[one.in_inner(shape)]);
      });
    }
  }

 private:
  struct Place {
    std::int64_t front, outer, between, inner, behind;
    __device__ std::int64_t in_outer(const FactorShape& s) const {
      return ((front * s.outer + outer) * s.between + between) * s.behind + behind;
    }
    __device__ std::int64_t in_inner(const FactorShape& s) const {
      return ((front * s.between + between) * s.inner + inner) * s.behind + behind;
    }
  };
  static __device__ R product(R a, R b) { return (strict<R>{a} * strict<R>{b}).v; }
  /// The remainder of a number; the quotient stays.
  static __device__ void take(std::int64_t& number, std::int64_t& rest, std::int64_t size) {
    rest = number % size;
    number /= size;
  }
  /// `low` was below `size`, and at most a chunk was added.
  static __device__ void carry(std::int64_t& low, std::int64_t& high, std::int64_t size) {
    if (low < size) return;
    const std::int64_t whole =
        size > reduction::kChunk ? 1 : std::int64_t(unsigned(low) / unsigned(size));
    low -= whole * size;
    high += whole;
  }
  __device__ Place place(int i) const {
    Place at{front, outer, between, inner, behind + i};
    carry(at.behind, at.inner, shape.behind);
    carry(at.inner, at.between, shape.inner);
    carry(at.between, at.outer, shape.between);
    carry(at.outer, at.front, shape.outer);
    return at;
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
    const FactorWork work(this->shape);
    const R* const rows = reinterpret_cast<const R*>(static_cast<const char*>(tensor.scaled) +
                                                     work.scaled_bytes(std::is_same_v<R, double>));
    const R* const columns = static_cast<const R*>(tensor.factors.residual_column);
    residual_outer = this->shape.rows_outer ? rows : columns;
    residual_inner = this->shape.rows_outer ? columns : rows;
  }
  template <class Four>
  __device__ void take_factored(int s, int i, int step, int count, Four& slot) const {
    First::take_factored(s, i, step, count, slot);
    if (s == Recipe::Rule::refactored && this->factored()) {
      this->take(residual_outer, residual_inner, i, step, count, slot);
    }
  }
};

/// The slot is the average of the element's row.
template <class Recipe, class R>
struct ChunkFactors<Recipe, R, true, true, false> {
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
  template <class Four>
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
