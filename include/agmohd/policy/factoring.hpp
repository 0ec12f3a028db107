// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "compiler.hpp"

#include <cstdint>

namespace agmohd {

/// What a rule with a factored slot is told of a tensor, beside Now.
struct TensorKind {
  std::int64_t numel = 0;
  bool factored = false;  ///< two or more dimensions: the slot is a product of factors
  bool f64 = false;       ///< its elements are float64
};

/// How the factors of a slot move in one step; see step/factors.hpp.
template <class R>
struct Factoring {
  R gain;   ///< weight of the new means in the averages
  R least;  ///< lower bound of the mean of a matrix's row averages
};
/// The same, of squares to each of which something is added.
template <class R>
struct AddingFactoring : Factoring<R> {
  R added;
};
template <class F>
concept adds_to_squares = requires(const F& f) {
  f.added;
};

namespace detail {
/// In the place of factors where a recipe has none.
struct NoFactors {};
}  // namespace detail

}  // namespace agmohd
