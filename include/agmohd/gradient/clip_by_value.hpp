// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "../policy/field.hpp"
#include "../policy/signals.hpp"
#include "gradient.hpp"

namespace agmohd::gradient {

/// Clamps every element of the gradients to [-max_value, max_value], as torch's clip_grad_value_.
/// NaN stays NaN.
struct ClipByValue {
  struct Options {
    double max_value = 1;  ///< largest magnitude of an element
  };
  static constexpr auto fields = describe(field("max_value", &Options::max_value, above(0)));
  static constexpr TransformKind kind = TransformKind::element;
  static constexpr unsigned wants = kNothing;
  static const char* name() { return "ClipByValue"; }

  template <class R>
  struct Coefficients {
    R max_value;  ///< largest magnitude of an element
  };

  template <class R>
  AGMOHD_HD static Coefficients<R> at(const Options& o, Signals&, const Verdict&) {
    return {R(o.max_value)};
  }

  template <Number T>
  AGMOHD_HD static T apply(const T& g, const Coefficients<Real<T>>& k) {
    return math::clamp(g, k.max_value);
  }
};
static_assert(Transform<ClipByValue>);

}  // namespace agmohd::gradient
