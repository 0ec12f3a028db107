// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cmath>
#include <cstdint>
#include <limits>

#include "../policy/field.hpp"
#include "../policy/number.hpp"
#include "../policy/signals.hpp"
#include "rule.hpp"

namespace agmohd::rule {

/// Adam (Kingma & Ba 2015, algorithm 1) with weight decay added to the gradient, AMSGrad (Reddi et
/// al. 2018) by option, and eps outside the corrected root, as in PyTorch.
struct Adam {
  struct Options {
    Pair betas{0.9, 0.999};
    double eps = 1e-8;
    double weight_decay = 0;
    bool amsgrad = false;
    bool maximize = false;
  };
  static constexpr double default_lr = 1e-3;
  static constexpr auto fields =
      describe(field("betas", &Options::betas, in(0, 1)), field("eps", &Options::eps, at_least(0)),
               field("weight_decay", &Options::weight_decay, at_least(0)),
               field("amsgrad", &Options::amsgrad), field("maximize", &Options::maximize));
  static const char* name() { return "Adam"; }

  template <class T>
  struct Slots {
    T exp_avg, exp_avg_sq, max_exp_avg_sq;
  };
  static constexpr std::array<const char*, 3> slot_names{"exp_avg", "exp_avg_sq", "max_exp_avg_sq"};
  static unsigned slots(const Options& o) { return o.amsgrad ? 7 : 3; }

  /// The products of the betas of all steps so far, as a beta may change from step to step.
  struct Memory {
    double beta1_product = 1, beta2_product = 1;
    constexpr void members(auto&& f) {
      f("beta1_product", beta1_product), f("beta2_product", beta2_product);
    }
  };
  static Memory restore(const Options& o, std::int64_t step) {
    return {std::pow(o.betas.first, double(step)), std::pow(o.betas.second, double(step))};
  }

  template <class R>
  struct Coefficients {
    R sign, weight_decay, gain1, gain2, mix_moment, mix_gradient, scale1, scale2, eps;
  };

  AGMOHD_HD static double beta1(const Options& o) { return o.betas.first; }
  /// On a quadratic with a settled second moment the step is stable up to 2 (1 + b1) / (1 - b1)
  /// over the preconditioned curvature (Cohen et al. 2022, "Adaptive gradient methods at the edge
  /// of stability", section 3).
  template <class O>  // of those who inherit, too
  AGMOHD_HD static double stable_step(const O&, double b1) {
    return (1 + b1) / (1 - b1);
  }

  template <class R>
  AGMOHD_HD static Coefficients<R> at(const Options& o, const Now& now, Memory& m) {
    const double b1 = now.blend.beta1, b2 = o.betas.second, look = now.blend.look;
    m.beta1_product *= b1;
    m.beta2_product *= b2;
    const double correction1 = 1 - m.beta1_product, correction2 = 1 - m.beta2_product;
    return {R(o.maximize ? -1 : 1),
            R(o.weight_decay),
            R(1 - b1),
            R(1 - b2),
            R(1 - look + look * b1 * correction1 / (1 - m.beta1_product * b1)),
            R(look * (1 - b1)),
            R(1 / correction1),
            R(1 / std::sqrt(correction2)),
            R(o.eps)};
  }

  /// Mostly the gradient is neither negated nor looked ahead with.
  template <class R>
  static bool usual(Coefficients<R>& k) {
    if (k.sign != 1 || k.mix_gradient != 0) return false;
    k.sign = 1, k.mix_gradient = 0;
    return true;
  }

  template <Number T>
  AGMOHD_HD static void update(const T& p, const T& g, Slots<T>& s,
                               const Coefficients<Real<T>>& k) {
    average(decayed(p, g, k), s, k);
  }
  template <Number T>
  AGMOHD_HD static T direction(const T& p, const T& g, const Slots<T>& s,
                               const Coefficients<Real<T>>& k) {
    return ratio(decayed(p, g, k), s, k);
  }

  /// The last update in the metric of this step: <g_t, u_{t-1}> is compared with <g_t, u_t>, and
  /// the two share the root and the denominator.
  template <class T>
  AGMOHD_HD static Slots<T> before(const Slots<T>& old, const Slots<T>& now) {
    return {old.exp_avg, now.exp_avg_sq, now.max_exp_avg_sq};
  }

  /// A moment beyond what any gradients lead to (a flipped bit, a bad checkpoint) goes back to
  /// |exp_avg| <= slack sqrt(C_t) (sqrt(exp_avg_sq) + room for where it underflows): by
  /// Cauchy-Schwarz exp_avg^2 <= C_t exp_avg_sq. An isolated gradient attains the bound. AMSGrad's
  /// maximum only widens it. Where a moment is NaN, or the second one negative, all begin anew with
  /// 0.
  struct Guard {
    /// C_t = b1^2/b2 C_{t-1} + (1-b1)^2/(1-b2)
    struct Memory {
      double bound2 = 0;
      constexpr void members(auto&& f) { f("bound2", bound2); }
    };
    static Memory restore(const Options& o, std::int64_t step) {
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
    template <class R>
    AGMOHD_HD static Coefficients<R> at(const Options& o, const Now& now, double slack,
                                        const Adam::Memory& rule, Memory& m) {
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
    AGMOHD_HD static bool sure(const Slots<T>& s, const Coefficients<Real<T>>& k) {
      return math::all<T>(k.sure * (s.exp_avg * s.exp_avg) <= s.exp_avg_sq);
    }
    template <Number T>
    AGMOHD_HD static Mask<T> apply(Slots<T>& s, const Adam::Coefficients<Real<T>>& rule,
                                   const Coefficients<Real<T>>& k) {
      const T before = s.exp_avg, zero = math::like(before, Real<T>(0));
      const Mask<T> broken =
          (before != before) | (s.exp_avg_sq < zero) | (s.exp_avg_sq != s.exp_avg_sq);
      const T bound = k.bound * (rule.scale2 * math::sqrt(s.max_exp_avg_sq) + k.least);
      s.exp_avg = math::select(broken, zero, math::clamp(before, bound));
      s.exp_avg_sq = math::select(broken, zero, s.exp_avg_sq);
      s.max_exp_avg_sq = math::select(broken, zero, s.max_exp_avg_sq);
      return broken | (before > s.exp_avg) | (before < s.exp_avg);
    }
  };

 protected:
  /// The moments, of a gradient with its sign and decay.
  template <Number T>
  AGMOHD_HD static void average(const T& h, Slots<T>& s, const Coefficients<Real<T>>& k) {
    s.exp_avg = s.exp_avg + k.gain1 * (h - s.exp_avg);
    s.exp_avg_sq = s.exp_avg_sq + k.gain2 * (h * h - s.exp_avg_sq);
    s.max_exp_avg_sq =
        math::max(s.max_exp_avg_sq, s.exp_avg_sq);  // without AMSGrad it starts from 0
  }
  template <Number T>
  AGMOHD_HD static T ratio(const T& h, const Slots<T>& s, const Coefficients<Real<T>>& k) {
    const T moment =
        k.mix_gradient == 0 ? s.exp_avg : T(k.mix_moment * s.exp_avg + k.mix_gradient * h);
    return k.scale1 * moment / (k.scale2 * math::sqrt(s.max_exp_avg_sq) + k.eps);
  }

 private:
  static constexpr double kUnbounded = std::numeric_limits<double>::infinity();
  static constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();

  template <Number T>
  AGMOHD_HD static T decayed(const T& p, const T& g, const Coefficients<Real<T>>& k) {
    const T h = k.sign * g;
    if (k.weight_decay == 0) return h;
    return h + k.weight_decay * p;
  }
};
static_assert(Rule<Adam> && has::guard<Adam>);

}  // namespace agmohd::rule
