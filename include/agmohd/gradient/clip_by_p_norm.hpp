// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>
#include <cstdint>

#include "../policy/field.hpp"
#include "../policy/power.hpp"
#include "../policy/signals.hpp"
#include "gradient.hpp"

namespace agmohd::gradient {

/// Scales all gradients by one factor so that their common p-norm is at most `max_norm`:
///   g <- g max_norm / norm  where norm = (sum |g|^p)^(1/p) > max_norm
/// as torch's clip_grad_norm_ with norm_type = p, which divides by norm + 1e-6. p is a whole
/// number. With p = 2 it is ClipByNorm, which is quicker, and infinity is ClipByMaxNorm.
///
/// The reduce pass sums |g|^p in double in the place of squares: Signals::norm2 is that sum. No
/// other policy of the recipe can want norms then, which a static_assert says. Of float32 gradients
/// sums neither overflow nor vanish for p up to 7; the bounds of hindrance policies are of 2-norms,
/// and not applied here.
struct ClipByPNorm : OneFactor {
  struct Options {
    double max_norm = 1;         ///< largest p-norm of all gradients together
    std::int64_t norm_type = 1;  ///< p
  };
  static constexpr auto fields = describe(field("max_norm", &Options::max_norm, above(0)),
                                          field("norm_type", &Options::norm_type, between(1, 8)));
  static constexpr TransformKind kind = TransformKind::scale;
  static constexpr unsigned wants = kNorm;
  static constexpr bool norm_of_parts = true;  // of complex elements torch takes |z|
  static const char* name() { return "ClipByPNorm"; }

  /// What the reduce pass raises magnitudes to.
  AGMOHD_HD static std::int64_t power(const Options& o) { return o.norm_type; }

  template <class R>
  AGMOHD_HD static Coefficients<R> at(const Options& o, Signals& s, const Verdict&) {
    const double norm = root(s.norm2, o.norm_type);
    const double factor = norm <= o.max_norm ? 1 : o.max_norm / norm;  // NaN stays, as in torch
    s.norm2 *= math::power(factor, o.norm_type);
    s.max_abs *= factor;
    return {R(factor)};
  }

 private:
  AGMOHD_HD static double root(double sum, std::int64_t p) {
    if (p == 1 || sum == 0 || sum - sum != 0) return sum;
    return p == 2 ? std::sqrt(sum) : math::pow(sum, 1 / double(p));
  }
};
static_assert(Transform<ClipByPNorm> && has::power<ClipByPNorm>);

}  // namespace agmohd::gradient
