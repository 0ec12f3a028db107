// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cmath>
#include <cstdint>

#include "rule.hpp"

namespace agmohd::rule {

/// The two moments of Adam (Kingma & Ba 2015, algorithm 1), for rules that are made of them:
///   m <- b1 m + (1 - b1) g,  v <- b2 v + (1 - b2) g^2,
///   u = m / (1 - b1^t) / (sqrt(v / (1 - b2^t)) + eps)
/// With AMSGrad (Reddi et al. 2018) the root is of the largest v so far. As in PyTorch, eps is
/// outside the corrected root.
struct Moments {
  static constexpr bool squares = true;
  template <class T>
  struct Slots {
    T exp_avg, exp_avg_sq, max_exp_avg_sq;
  };
  static constexpr std::array<const char*, 3> slot_names{"exp_avg", "exp_avg_sq", "max_exp_avg_sq"};
  static constexpr unsigned used(bool amsgrad) { return amsgrad ? 7 : 3; }

  /// The products of the betas of all steps so far, in the place of b^t: a beta may change from
  /// step to step.
  struct Memory {
    double beta1_product = 1, beta2_product = 1;
    constexpr void members(auto&& f) {
      f("beta1_product", beta1_product), f("beta2_product", beta2_product);
    }
  };
  static Memory restore(const Pair& betas, std::int64_t step) {
    return {std::pow(betas.first, double(step)), std::pow(betas.second, double(step))};
  }

  template <class R>
  struct Coefficients {
    R gain1, gain2;              ///< 1 - b1, 1 - b2: weights of the new gradient in the moments
    R mix_moment, mix_gradient;  ///< of m and g in the numerator; 1 and 0 but for Nesterov momentum
    R scale1, scale2;            ///< bias corrections: 1 / (1 - b1^t), 1 / sqrt(1 - b2^t)
    R eps;                       ///< added to the corrected root
  };

  /// On a quadratic with a settled second moment the step is stable up to a learning rate of
  /// 2 (1 + b1) / (1 - b1) over the preconditioned curvature (Cohen et al. 2022, "Adaptive gradient
  /// methods at the edge of stability", section 3).
  template <class O>
  AGMOHD_HD static double stable_step(const O&, double b1) {
    return (1 + b1) / (1 - b1);
  }

  template <class R>
  AGMOHD_HD static Coefficients<R> at(const Pair& betas, double eps, const Now& now, Memory& m) {
    const double b1 = now.blend.beta1, b2 = betas.second, look = now.blend.look;
    m.beta1_product *= b1;
    m.beta2_product *= b2;
    const double correction1 = 1 - m.beta1_product, correction2 = 1 - m.beta2_product;
    // With look = 1 the numerator is b1 m / (1 - b1^(t+1)) + (1 - b1) g / (1 - b1^t): NAdam's
    // without its momentum schedule, for momentum::Nesterov.
    return {R(1 - b1),
            R(1 - b2),
            R(1 - look + look * b1 * correction1 / (1 - m.beta1_product * b1)),
            R(look * (1 - b1)),
            R(1 / correction1),
            R(1 / std::sqrt(correction2)),
            R(eps)};
  }

  template <Number T>
  AGMOHD_HD static void average(const T& g, Slots<T>& s, const Coefficients<Real<T>>& k) {
    s.exp_avg = s.exp_avg + k.gain1 * (g - s.exp_avg);
    s.exp_avg_sq = s.exp_avg_sq + k.gain2 * (g * g - s.exp_avg_sq);
    // Without AMSGrad the slot is unused: it is 0 before every step, and becomes exp_avg_sq.
    s.max_exp_avg_sq = math::max(s.max_exp_avg_sq, s.exp_avg_sq);
  }
  template <Number T>
  AGMOHD_HD static T ratio(const T& g, const Slots<T>& s, const Coefficients<Real<T>>& k) {
    const T moment =
        k.mix_gradient == 0 ? s.exp_avg : T(k.mix_moment * s.exp_avg + k.mix_gradient * g);
    return k.scale1 * moment / (k.scale2 * math::sqrt(s.max_exp_avg_sq) + k.eps);
  }

  /// As `average` left them: without AMSGrad the maximum is not stored.
  template <class T>
  AGMOHD_HD static Slots<T> stored(const Slots<T>& s) {
    return {s.exp_avg, s.exp_avg_sq, math::max(s.max_exp_avg_sq, s.exp_avg_sq)};
  }
  /// The old first moment over the new root, so that <g_t, u_{t-1}> and <g_t, u_t> have the same
  /// denominators and can be compared.
  template <class T>
  AGMOHD_HD static Slots<T> before(const Slots<T>& old, const Slots<T>& now) {
    return {old.exp_avg, now.exp_avg_sq, now.max_exp_avg_sq};
  }
};

}  // namespace agmohd::rule
