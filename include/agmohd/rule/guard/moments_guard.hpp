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

/// A moment beyond what any gradients lead to (a flipped bit, a bad checkpoint) goes back to
/// |exp_avg| <= slack sqrt(C_t) (sqrt(exp_avg_sq) + room for where it underflows): by
/// Cauchy-Schwarz exp_avg^2 <= C_t exp_avg_sq. An isolated gradient attains the bound. AMSGrad's
/// maximum only widens it. Where a moment is NaN, or the second one negative, all begin anew with
/// 0.
struct MomentsGuard {
  /// C_t = b1^2/b2 C_{t-1} + (1-b1)^2/(1-b2)
  struct Memory {
    double bound2 = 0;
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
    R bound, least;
    R sure;  ///< where exp_avg^2 times this is no more than exp_avg_sq, no rounding matters
  };
  template <class R, class O>
  requires has::betas<O> AGMOHD_HD static Coefficients<R> at(const O& o, const Now& now,
                                                             double slack,
                                                             const Moments::Memory& rule,
                                                             Memory& m) {
    const double b1 = now.blend.beta1, b2 = o.betas.second;
    const double carried = b1 == 0 ? 0 : b1 * b1 / b2 * m.bound2;
    m.bound2 = b2 == 0 ? kUnbounded : carried + (1 - b1) * (1 - b1) / (1 - b2);
    // Stored in few bits, exp_avg decays more slowly than b1 says; where C_t grows, that adds up.
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
