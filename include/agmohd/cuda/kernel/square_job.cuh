// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <type_traits>

#include "../../gradient/chain.hpp"
#include "../../rule/rule.hpp"
#include "../view.hpp"
#include "number.cuh"

namespace agmohd::cuda {

/// A tensor in a pass that squares its gradients, or what a rule makes of them.
template <class Recipe, class E>
struct SquareJob {
  using R = Compute<E>;
  using T = strict<R>;
  using K = typename Recipe::template Coefficients<R>;

  const View<Recipe>& view;
  const DeviceTensor<Recipe>& tensor;
  const E* grad;
  const K& k;

  __device__ static const K& coefficients(const View<Recipe>& view, int t) {
    if constexpr (std::is_same_v<R, double>) {
      return view.coefficients64[t];
    } else {
      return view.coefficients[t];
    }
  }
  __device__ SquareJob(const View<Recipe>& all, int t)
      : view(all),
        tensor(all.tensors[t]),
        grad(static_cast<const E*>(all.grads[t])),
        k(coefficients(all, t)) {}

  /// The gradient that the rule gets.
  __device__ T seen(std::int64_t element) const {
    return seen(T{widen(grad[element])}, element, k);
  }
  /// The same, from that in memory.
  __device__ T seen(T g, std::int64_t element, const K& own) const {
    if constexpr (Recipe::projects) {
      const T p{widen(static_cast<const E*>(tensor.param)[element])};
      g = reduction::projected(g, p, view.projections[tensor.first_row]);
    } else if constexpr (Recipe::filters) {
      g = reduction::filtered(g, view.outliers[tensor.first_row]);
    } else if constexpr (Recipe::rows) {
      const double value = view.row_values[tensor.first_row + tensor.rows.of(element)];
      g = reduction::with_row<Recipe>(g, T{R(value)});
    }
    return Recipe::template seen<T>(g, own, Position{element});
  }
  /// The rule's slots before the step, of which `load` gets the elements, but for the factored one.
  template <class N, class Load>
  __device__ auto slots(const N& factored, const Load& load) const {
    using S = Stored<typename Recipe::Storage, E>;
    typename Recipe::template Slots<N> out{};
    for_each_slot<Recipe::slot_count>(out, [&](int s, N& slot) {
      if (s == Recipe::Rule::factored) {
        slot = factored;
      } else if (s != Recipe::Rule::refactored) {
        slot = load(static_cast<const S*>(tensor.slots[s]));
      }
    });
    return out;
  }
};

/// f(Job of tensor t), of its elements' type.
template <template <class, class> class Job, class Recipe, class F>
__device__ void with_job(const View<Recipe>& view, int t, const F& f) {
  switch (view.tensors[t].dtype) {
    case Dtype::f32:
      return f(Job<Recipe, float>(view, t));
    case Dtype::f64:
      return f(Job<Recipe, double>(view, t));
    case Dtype::bf16:
      return f(Job<Recipe, Bf16>(view, t));
    case Dtype::f16:
      return f(Job<Recipe, F16>(view, t));
  }
}

}  // namespace agmohd::cuda
