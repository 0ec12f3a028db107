// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "../policy/field.hpp"
#include "../policy/signals.hpp"
#include "gradient.hpp"

namespace agmohd::gradient {

/// The sign of every element of the gradients: -1, 0 or 1. With SGD it is signSGD (Bernstein et al.
/// 2018, "signSGD: Compressed Optimisation for Non-Convex Problems", algorithm 1). NaN stays NaN,
/// as with torch.sign and optax's scale_by_sign; infinities become -1 and 1.
///
/// In front of a chain the signals are those of the signs: their norm is the square root of the
/// number of elements that are not 0, and infinities are not counted. The sign of a mean of
/// gradients is rule::Signum.
struct Sign : NoCoefficients {
  struct Options {};
  static constexpr auto fields = describe();
  static constexpr TransformKind kind = TransformKind::element;
  static constexpr unsigned wants = kNothing;
  static const char* name() { return "Sign"; }

  template <Number T>
  AGMOHD_HD static T apply(const T& g, const Coefficients<Real<T>>&) {
    return math::sign(g);
  }
};
static_assert(Transform<Sign>);

}  // namespace agmohd::gradient
