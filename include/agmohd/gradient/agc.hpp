// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>

#include "../policy/field.hpp"
#include "../policy/signals.hpp"
#include "gradient.hpp"

namespace agmohd::gradient {

/// Adaptive gradient clipping: multiplies the gradient of a row with
/// clip_factor max(||p||, clip_eps) / max(||g||, 1e-6) where that is below 1, the norms being those
/// of the row. Brock et al. 2021, "High-Performance Large-Scale Image Recognition Without
/// Normalization", equation 3.
///
/// A row is what one index of the first dimension names: an output unit of a linear layer or a
/// convolution. A vector or a scalar is one row, as in timm's adaptive_clip_grad. A row with a
/// gradient that is not finite, or in float64 so large that its square is not, passes as it is, for
/// the hindrance policy to see; timm makes it NaN. Norms are measured after the clip.
///
/// The paper leaves the last linear layer out, as timm's exclude_head does. Options of transforms
/// are those of the optimizer as a whole: give that layer an optimizer of its own. The pass over
/// rows reads parameters and gradients once more.
struct AGC : AppliedBefore {
  struct Options {
    double clip_factor = 0.01;  ///< largest norm of a row's gradient, over that of its parameters
    double clip_eps = 1e-3;     ///< smallest norm of parameters; lets rows of zeros learn
  };
  static constexpr auto fields = describe(field("clip_factor", &Options::clip_factor, above(0)),
                                          field("clip_eps", &Options::clip_eps, above(0)));
  static constexpr TransformKind kind = TransformKind::element;
  static constexpr unsigned wants = kNothing;
  static const char* name() { return "AGC"; }

  /// The factor of a row's gradient. `p2`, `g2`: sums of squares of its parameters and gradients.
  AGMOHD_HD static double row_factor(const Options& o, double p2, double g2) {
    const double p = std::sqrt(p2), norm = std::sqrt(g2);
    const double bound = o.clip_factor * (p < o.clip_eps ? o.clip_eps : p);
    if (!(norm >= bound) || g2 - g2 != 0) return 1;
    return bound / (norm < 1e-6 ? 1e-6 : norm);
  }
};
static_assert(Transform<AGC>);

}  // namespace agmohd::gradient
