// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "../../step/reduction.hpp"
#include "../view.hpp"
#include "load_store.cuh"
#include "number.cuh"
#include "rows.cuh"

namespace agmohd::cuda {

/// A chunk of gradients.
template <class Recipe, class E>
struct GradChunk : ChunkRows<Recipe> {
  using Prefix = typename Recipe::template Prefix<Compute<E>>;
  const E* grad;
  const Prefix* prefix;
  std::int64_t first;  // element of the tensor
  int tensor, count;
  bool vector;

  __device__ GradChunk(const View<Recipe>& view, const ChunkRef& ref, const Prefix* front)
      : ChunkRows<Recipe>(view, ref.tensor, std::int64_t(ref.chunk) * reduction::kChunk),
        prefix(front) {
    tensor = ref.tensor;
    first = std::int64_t(ref.chunk) * reduction::kChunk;
    const std::int64_t left = view.tensors[ref.tensor].numel - first;
    grad = static_cast<const E*>(view.grads[ref.tensor]) + first;
    count = int(left < reduction::kChunk ? left : reduction::kChunk);
    vector = Bundle<E, 4>::aligned(grad);
  }
  /// Element i of the chunk, which is `x` in memory, as it is measured.
  template <class T>
  __device__ T measured(Real<T> x, int i) const {
    return Recipe::measured(T{this->scaled(x, i)}, *prefix, Position{first + i});
  }
  /// How many of the 16 logical warps have elements.
  __device__ int warps() const {
    using namespace reduction;
    const int found = (count + 4 * kWarp - 1) / (4 * kWarp);
    return found < kLanes / kWarp ? found : kLanes / kWarp;
  }
};

}  // namespace agmohd::cuda
