// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>

#include "../moments.hpp"

namespace agmohd {

namespace has {
template <class O>
concept betas = requires(const O& o) {
  o.betas.first;
  o.eps;
};
}  // namespace has

namespace rule {

/// Clamps moments that no gradient history can produce, as a flipped bit or a bad checkpoint leaves
/// them. agmohd's own. Whatever the gradients, by Cauchy-Schwarz exp_avg^2 <= C_t exp_avg_sq, which
/// a single gradient among zeros attains. So exp_avg is clamped to
///   |exp_avg| <= slack sqrt(C_t) (sqrt(exp_avg_sq) + least),
/// with `slack` for rounding and `least` for an exp_avg_sq that underflowed to 0. AMSGrad's maximum
/// in the place of exp_avg_sq only widens the bound. Where a moment is NaN, or exp_avg_sq negative,
/// all moments of the element become 0.
/// For rules that derive from Moments, whose Options have betas and eps, whose Coefficients have a
/// member `moments`, and whose Memory is Moments::Memory.
struct MomentsGuard {
  struct Memory {
    double bound2 = 0;  ///< C_t = b1^2 / b2 C_{t-1} + (1 - b1)^2 / (1 - b2)
    constexpr void members(auto&& f) { f("bound2", bound2); }
  };
  template <class O>
  requires has::betas<O>
  static Memory restore(const O& o, std::int64_t step) {
    const double b1 = o.betas.first, b2 = o.betas.second;
    const double excess = b1 * b1 / b2 - 1;  // C_t is a geometric sum
    const double terms =
        excess == 0 ? double(step) : std::expm1(double(step) * std::log1p(excess)) / excess;
    return {step == 0 ? 0 : b2 == 0 ? kUnbounded : (1 - b1) * (1 - b1) / (1 - b2) * terms};
  }

  template <class R>
  struct Coefficients {
    R bound, least;  ///< slack sqrt(C_t), for the corrected root; added to that root
    R sure;  ///< if sure exp_avg^2 <= exp_avg_sq, the bound holds whatever the rounding; may be NaN
  };
  template <class R, class O>
  requires has::betas<O> AGMOHD_HD static Coefficients<R> at(const O& o, const Now& now,
                                                             double slack,
                                                             const Moments::Memory& rule,
                                                             Memory& m) {
    const double b1 = now.blend.beta1, b2 = o.betas.second;
    const double carried = b1 == 0 ? 0 : b1 * b1 / b2 * m.bound2;
    m.bound2 = b2 == 0 ? kUnbounded : carried + (1 - b1) * (1 - b1) / (1 - b2);
    // In bfloat16 exp_avg decays more slowly than b1 says. Where C_t grows, these errors add up,
    // and there is no bound.
    const bool drifts = slack > kSlack && b1 * b1 > b2;
    const double correction2 = 1 - rule.beta2_product;
    const double bound2 = drifts ? kUnbounded : m.bound2;
    return {R(slack * std::sqrt(bound2 * correction2)), R(o.eps > 1e-18 ? o.eps : 1e-18),
            R(bound2 < 1e30 ? 1.0001 / (slack * slack * bound2) : kUnknown)};
  }

  template <Number T>
  AGMOHD_HD static bool sure(const Moments::Slots<T>& s, const Coefficients<Real<T>>& k) {
    return math::all<T>(k.sure * (s.exp_avg * s.exp_avg) <= s.exp_avg_sq);
  }
  template <Number T>
  AGMOHD_HD static Mask<T> apply(Moments::Slots<T>& s, const auto& rule,
                                 const Coefficients<Real<T>>& k) {
    const T before = s.exp_avg, zero = math::like(before, Real<T>(0));
    const Mask<T> broken =
        (before != before) | (s.exp_avg_sq < zero) | (s.exp_avg_sq != s.exp_avg_sq);
    const T bound = k.bound * (rule.moments.scale2 * math::sqrt(s.max_exp_avg_sq) + k.least);
    s.exp_avg = math::select(broken, zero, math::clamp(before, bound));
    s.exp_avg_sq = math::select(broken, zero, s.exp_avg_sq);
    s.max_exp_avg_sq = math::select(broken, zero, s.max_exp_avg_sq);
    return broken | (before > s.exp_avg) | (before < s.exp_avg);
  }

 private:
  static constexpr double kUnbounded = std::numeric_limits<double>::infinity();
  static constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();
};

}  // namespace rule

}  // namespace agmohd
