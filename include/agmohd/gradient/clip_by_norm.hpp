// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>

#include "../policy/field.hpp"
#include "../policy/signals.hpp"
#include "gradient.hpp"

namespace agmohd::gradient {

/// Scales all gradients by one factor so that their global 2-norm is at most `max_norm` (Pascanu et
/// al. 2013, algorithm 1), or at most the bound of the hindrance policy if that is lower. The
/// factor is bound / norm, where torch's clip_grad_norm_ has bound / (norm + 1e-6).
struct ClipByNorm : OneFactor {
  struct Options {
    double max_norm = 1;  ///< largest 2-norm of all gradients together
  };
  static constexpr auto fields = describe(field("max_norm", &Options::max_norm, above(0)));
  static constexpr TransformKind kind = TransformKind::scale;
  static constexpr unsigned wants = kNorm;
  static constexpr bool applies_norm_bound = true;
  static const char* name() { return "ClipByNorm"; }

  template <class R>
  AGMOHD_HD static Coefficients<R> at(const Options& o, Signals& s, const Verdict& v) {
    const double bound = v.norm_bound < o.max_norm ? v.norm_bound : o.max_norm;
    const double norm = std::sqrt(s.norm2);
    const double factor = norm <= bound ? 1 : bound / norm;  // a NaN norm gives NaN, as in torch
    s.norm2 *= factor * factor;
    s.max_abs *= factor;
    return {R(factor)};
  }
};
static_assert(Transform<ClipByNorm>);

}  // namespace agmohd::gradient
