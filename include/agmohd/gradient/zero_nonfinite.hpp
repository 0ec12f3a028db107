// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "../policy/field.hpp"
#include "../policy/signals.hpp"
#include "gradient.hpp"

namespace agmohd::gradient {

/// Elements that are not finite become 0, as torch.nan_to_num(g, 0, 0, 0) has them; the others keep
/// their bits. optax's zero_nans leaves infinities.
///
/// It stands in front, where what is measured is what it leaves. Norms and clips then see finite
/// gradients. No hindrance policy finds the elements in Signals::nonfinite or skips their steps:
/// prefer to skip (hindrance::SkipStep) where a whole step is cheap. A parameter whose gradient is
/// 0 by this still has momentum and weight decay.
///
/// Optimizer::zeroed() counts the elements. They are counted as the first transform of the chain
/// gets them, behind a transform by rows: infinities that a ClipByValue in front makes finite are
/// counted, too.
struct ZeroNonfinite : NoCoefficients {
  struct Options {};
  static constexpr auto fields = describe();
  static constexpr TransformKind kind = TransformKind::element;
  static constexpr unsigned wants = kNothing;
  static constexpr bool counts_zeroed = true;
  static const char* name() { return "ZeroNonfinite"; }

  template <Number T>
  AGMOHD_HD static T apply(const T& g, const Coefficients<Real<T>>&) {
    const T zero = math::like(g, Real<T>(0)), none = g - g;  // NaN where g is not finite
    return math::select(none != none, zero, g);
  }
};
static_assert(Transform<ZeroNonfinite>);

}  // namespace agmohd::gradient
