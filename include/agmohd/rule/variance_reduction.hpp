// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>

#include "../policy/number.hpp"
#include "../policy/signals.hpp"

namespace agmohd::rule {

/// The variance-reduced gradient of MARS (Yuan et al. 2024) in the form that needs one gradient a
/// step, MARS-approx:
///   c = g + gamma b1 / (1 - b1) (g - g'),  c <- c / max(1, |c|)
/// g' is the tensor's last gradient, |c| the norm of the tensor's c. The first c is g, as in timm;
/// the authors' code begins with g' = 0.
///
/// |c| is of gradients as the reduce pass measures them, before a clip by norm. Where a recipe has
/// one and it acts, the scaled c has a norm below 1. b1 is the option's, whatever a momentum policy
/// makes of it.
template <class R>
struct VarianceReduction {
  R sign;        ///< -1 with maximize
  R correction;  ///< gamma b1 / (1 - b1); 0 in the first step

  AGMOHD_HD static VarianceReduction at(double b1, double gamma, bool maximize, bool begun) {
    return {R(maximize ? -1 : 1), R(begun ? gamma * b1 / (1 - b1) : 0)};
  }
  /// c before it is scaled. `last`: the last gradient, times its sign.
  template <Number T>
  AGMOHD_HD T corrected(const T& g, const T& last) const {
    const T h = sign * g;
    return h + correction * (h - last);
  }
};

/// 1 / max(1, |c|); now.mean is the tensor's mean of c^2. Where that is NaN 1, so that an element
/// that is NaN does not spoil its tensor, as it does in timm.
AGMOHD_HD inline double to_unit_norm(const Now& now) {
  const double norm2 = now.mean * double(now.numel);
  return norm2 > 1 ? 1 / std::sqrt(norm2) : 1;
}

}  // namespace agmohd::rule
