// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cmath>
#include <cstdint>

#include "../policy/field.hpp"
#include "l2_decay.hpp"
#include "moments.hpp"
#include "rule.hpp"

namespace agmohd::rule {

/// RAdam (Liu et al. 2020, algorithm 2), with the moments m and v of Adam. As long as v averages
/// too few gradients for its variance to be known, u is the corrected m; then it is rectified:
///   u = r m / (1 - b1^t) sqrt(1 - b2^t) / (sqrt(v) + eps),  p <- p - lr u,
///   r^2 = (rho_t - 4) (rho_t - 2) rho / ((rho - 4) (rho - 2) rho_t) where rho_t > 5,
///   rho = 2 / (1 - b2) - 1,  rho_t = rho - 2 t b2^t / (1 - b2^t)
/// As in PyTorch r acts from rho_t > 5 on (the paper: 4), and eps is added to the uncorrected root.
struct RAdam {
  struct Options {
    Pair betas{0.9, 0.999};               ///< decays of the two moments
    double eps = 1e-8;                    ///< added to the uncorrected root
    double weight_decay = 0;              ///< weight_decay p is added to the gradient
    bool decoupled_weight_decay = false;  ///< p is multiplied with 1 - lr weight_decay instead
    bool maximize = false;                ///< ascend: the gradient is negated
  };
  static constexpr double default_lr = 1e-3;
  static constexpr auto fields =
      describe(field("betas", &Options::betas, in(0, 1)), field("eps", &Options::eps, at_least(0)),
               field("weight_decay", &Options::weight_decay, at_least(0)),
               field("decoupled_weight_decay", &Options::decoupled_weight_decay),
               field("maximize", &Options::maximize));
  static const char* name() { return "RAdam"; }
  static constexpr bool squares = true;

  template <class T>
  struct Slots {
    T exp_avg, exp_avg_sq;
  };
  static constexpr std::array<const char*, 2> slot_names{"exp_avg", "exp_avg_sq"};
  static unsigned slots(const Options&) { return 3; }

  using Memory = Moments::Memory;
  static Memory restore(const Options& o, std::int64_t step) {
    return Moments::restore(o.betas, step);
  }

  template <class R>
  struct Coefficients {
    R sign;                      ///< -1 with maximize
    R weight_decay;              ///< of p, where it joins the gradient
    R gain1;                     ///< 1 - b1: weight of the new gradient in m
    R beta2, gain2;              ///< decay of v; weight of the new g^2: 1 - b2
    R mix_moment, mix_gradient;  ///< of m and g in the numerator; 1 and 0 but for Nesterov momentum
    R scale;                     ///< of the numerator: the bias corrections and r
    R rectified;                 ///< 0: u is the numerator, not divided by the root
    R eps;                       ///< added to the root
  };

  AGMOHD_HD static double beta1(const Options& o) { return o.betas.first; }
  AGMOHD_HD static double stable_step(const Options& o, double b1) {
    return Moments::stable_step(o, b1);
  }
  /// What the parameter is multiplied with in a step.
  AGMOHD_HD static double decay(const Options& o, double lr) {
    return o.decoupled_weight_decay ? 1 - lr * o.weight_decay : 1;
  }

  template <class R>
  AGMOHD_HD static Coefficients<R> at(const Options& o, const Now& now, Memory& m) {
    const auto c = Moments::at<double>(o.betas, o.eps, now, m);
    const double correction2 = 1 - m.beta2_product, rho = 2 / c.gain2 - 1;
    const double rho_t = rho - 2 * double(now.step) * m.beta2_product / correction2;
    double scale = c.scale1;
    if (rho_t > 5) {
      const double r2 = (rho_t - 4) * (rho_t - 2) * rho / ((rho - 4) * (rho - 2) * rho_t);
      scale *= std::sqrt(r2 * correction2);
    }
    return {R(o.maximize ? -1 : 1),
            R(o.decoupled_weight_decay ? 0 : o.weight_decay),
            R(c.gain1),
            R(o.betas.second),
            R(c.gain2),
            R(c.mix_moment),
            R(c.mix_gradient),
            R(scale),
            R(rho_t > 5 ? 1 : 0),
            R(o.eps)};
  }

  template <Number T>
  AGMOHD_HD static void update(const T& p, const T& g, Slots<T>& s,
                               const Coefficients<Real<T>>& k) {
    const T h = decayed(p, g, k);
    s.exp_avg = s.exp_avg + k.gain1 * (h - s.exp_avg);
    s.exp_avg_sq = k.beta2 * s.exp_avg_sq + k.gain2 * (h * h);
  }
  template <Number T>
  AGMOHD_HD static T direction(const T& p, const T& g, const Slots<T>& s,
                               const Coefficients<Real<T>>& k) {
    const T moment = k.mix_gradient == 0
                         ? s.exp_avg
                         : T(k.mix_moment * s.exp_avg + k.mix_gradient * decayed(p, g, k));
    if (k.rectified == 0) return k.scale * moment;
    return k.scale * moment / (math::sqrt(s.exp_avg_sq) + math::like(g, k.eps));
  }
  /// As Adam's: the last update in the metric of this step.
  template <class T>
  AGMOHD_HD static Slots<T> before(const Slots<T>& old, const Slots<T>& now) {
    return {old.exp_avg, now.exp_avg_sq};
  }
};
static_assert(Rule<RAdam>);

}  // namespace agmohd::rule
