// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>

#include "../policy/field.hpp"
#include "../policy/signals.hpp"
#include "gradient.hpp"

namespace agmohd::gradient {

namespace detail {

/// target / size, at most the largest float: with every eps, a gradient of zeros stays zero in
/// every precision. NaN stays.
AGMOHD_HD inline double to_size(double target, double size) {
  const double factor = target / size, most = double(math::largest<float>);
  return factor > most ? most : factor;
}

}  // namespace detail

/// Gives all gradients together the 2-norm `normalize_to` (Hazan et al. 2015, "Beyond Convexity:
/// Stochastic Quasi-Convex Optimization", algorithm 1, with 1 and without eps):
///   g <- g normalize_to / (||g|| + normalize_eps)
/// As optax's normalize_by_update_norm. With SGD it is normalised gradient descent: the learning
/// rate is the length of the step. A norm that is not finite gives what the formula gives, 0 or
/// NaN.
///
/// Hindrance policies judge the norm before it, and so a clip that applies their bound stands in
/// front.
struct Normalize : OneFactor {
  struct Options {
    double normalize_to = 1;      ///< 2-norm of the result
    double normalize_eps = 1e-6;  ///< added to the norm; gradients far below it stay small
  };
  static constexpr auto fields =
      describe(field("normalize_to", &Options::normalize_to, above(0)),
               field("normalize_eps", &Options::normalize_eps, at_least(0)));
  static constexpr TransformKind kind = TransformKind::scale;
  static constexpr unsigned wants = kNorm;
  static const char* name() { return "Normalize"; }

  template <class R>
  AGMOHD_HD static Coefficients<R> at(const Options& o, Signals& s, const Verdict&,
                                      TensorSignals& ts, const TensorVerdict&) {
    const double norm = std::sqrt(s.norm2);
    const double factor = detail::to_size(o.normalize_to, norm + o.normalize_eps);
    s.norm2 = norm * factor * (norm * factor);  // factor^2 may overflow
    s.max_abs *= factor;
    const double part = std::sqrt(ts.norm2) * factor;
    ts.norm2 = part * part;
    ts.max_abs *= factor;
    return {R(factor)};
  }
};
static_assert(Transform<Normalize>);

}  // namespace agmohd::gradient
