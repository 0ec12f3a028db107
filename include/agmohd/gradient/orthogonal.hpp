// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>

#include "../policy/field.hpp"
#include "../policy/signals.hpp"
#include "gradient.hpp"

namespace agmohd::gradient {

/// OrthoGrad (Prieto et al. 2025, "Grokking at the Edge of Numerical Stability", algorithm 1):
/// removes from each tensor's gradient its part along the parameter, and gives it its norm back:
///   h <- g - <p, g> / (<p, p> + eps) p,   g <- h ||g|| / ||h||
/// so that a step turns the parameter and does not lengthen it. The parameter is what it was before
/// the step. eps is 1e-30, as in pytorch_optimizer's OrthoGrad.
///
/// A gradient along the parameter has no other part, and becomes 0: where ||h|| is at most 2^-21
/// ||g||. So does every gradient of a tensor of one element, unless that is next to 0 (below about
/// 1.4e-12, where eps counts). pytorch_optimizer's bound is the same
/// in float32; in float64 it is 2^-50, below what sums can tell. A gradient that is not finite, or
/// in float64 so large that its square is not, passes as it is, for the hindrance policy to see.
///
/// Sums are of the gradients as they come, so it stands in front. Norms are measured behind it:
/// ClipByNorm clips the result. A pass of its own reads parameters and gradients once more, and the
/// measuring pass reads parameters, too.
struct Orthogonal : AppliedBefore {
  struct Options {};
  static constexpr auto fields = describe();
  static constexpr TransformKind kind = TransformKind::element;
  static constexpr unsigned wants = kNothing;
  static const char* name() { return "Orthogonal"; }

  /// `p2`, `pg`, `g2`: sums of p^2, p g and g^2 over the tensor.
  AGMOHD_HD static Projection projection(const Options& /*o*/, double p2, double pg, double g2) {
    const double along = pg / (p2 + 1e-30);
    const double h2 = g2 - along * (2 * pg - along * p2);
    if (g2 - g2 != 0 || h2 - h2 != 0) return {};
    if (!(h2 > g2 * 0x1p-42)) return {along, 0};
    return {along, std::sqrt(g2 / h2)};
  }
};
static_assert(Transform<Orthogonal> && has::projection<Orthogonal>);

}  // namespace agmohd::gradient
