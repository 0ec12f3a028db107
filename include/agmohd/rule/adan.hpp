// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cmath>
#include <cstdint>

#include "../policy/field.hpp"
#include "rule.hpp"

namespace agmohd::rule {

/// Adan (Xie et al. 2022, algorithm 1, without restarts). With y = g_t - g_{t-1}, 0 at first:
///   m <- b1 m + (1 - b1) g,  d <- b2 d + (1 - b2) y,  n <- b3 n + (1 - b3) (g + b2 y)^2,
///   u = (m / (1 - b1^t) + b2 d / (1 - b2^t)) / (sqrt(n / (1 - b3^t)) + eps),
///   p <- (p - lr u) / (1 + lr weight_decay)
/// The paper's betas are one minus these. Means that begin with 0 and are corrected, and eps
/// outside the root, are the authors' code's. No policy changes the momentum, which looks ahead.
struct Adan {
  struct Options {
    Pair betas{0.98, 0.92};   ///< decays of m and d
    double beta3 = 0.99;      ///< decay of n
    double eps = 1e-8;        ///< added to the corrected root
    double weight_decay = 0;  ///< decoupled: after the step p is divided by 1 + lr weight_decay
    bool no_prox = false;     ///< p is multiplied with 1 - lr weight_decay instead, as in AdamW
    bool maximize = false;    ///< ascend: the gradient is negated
  };
  static constexpr double default_lr = 1e-3;
  static constexpr auto fields =
      describe(field("betas", &Options::betas, in(0, 1)), field("beta3", &Options::beta3, in(0, 1)),
               field("eps", &Options::eps, at_least(0)),
               field("weight_decay", &Options::weight_decay, at_least(0)),
               field("no_prox", &Options::no_prox), field("maximize", &Options::maximize));
  static const char* name() { return "Adan"; }
  static constexpr bool squares = true;

  template <class T>
  struct Slots {
    T exp_avg, exp_avg_sq, exp_avg_diff;
    T neg_pre_grad;  ///< -g_{t-1}, as the authors' code has it
  };
  static constexpr std::array<const char*, 4> slot_names{"exp_avg", "exp_avg_sq", "exp_avg_diff",
                                                         "neg_pre_grad"};
  static unsigned slots(const Options&) { return 15; }

  /// The products of the betas of all steps so far.
  struct Memory {
    double beta1_product = 1, beta2_product = 1, beta3_product = 1;
    constexpr void members(auto&& f) {
      f("beta1_product", beta1_product), f("beta2_product", beta2_product),
          f("beta3_product", beta3_product);
    }
  };
  static Memory restore(const Options& o, std::int64_t step) {
    const double t = double(step);
    return {std::pow(o.betas.first, t), std::pow(o.betas.second, t), std::pow(o.beta3, t)};
  }

  template <class R>
  struct Coefficients {
    R sign;                 ///< -1 with maximize
    R begun;                ///< 0 in the first step, which has no gradient before it
    R gain1, gain2, gain3;  ///< 1 - b1, 1 - b2, 1 - b3: weights of what is new in m, d and n
    R beta2, beta3;         ///< weight of y beside g; decay of n
    R scale1, scale2;       ///< of m and d: 1 / (1 - b1^t), b2 / (1 - b2^t)
    R scale3;               ///< of the root: 1 / sqrt(1 - b3^t)
    R eps;                  ///< added to the corrected root
    R divisor;              ///< of p after the step: 1 + lr weight_decay; 1 with no_prox
  };

  AGMOHD_HD static double beta1(const Options& o) { return o.betas.first; }
  /// What the parameter is multiplied with in a step.
  AGMOHD_HD static double decay(const Options& o, double lr) {
    return o.no_prox ? 1 - lr * o.weight_decay : 1;
  }

  template <class R>
  AGMOHD_HD static Coefficients<R> at(const Options& o, const Now& now, Memory& m) {
    const double b1 = now.blend.beta1, b2 = o.betas.second, b3 = o.beta3;
    m.beta1_product *= b1, m.beta2_product *= b2, m.beta3_product *= b3;
    return {R(o.maximize ? -1 : 1),
            R(now.step == 1 ? 0 : 1),
            R(1 - b1),
            R(1 - b2),
            R(1 - b3),
            R(b2),
            R(b3),
            R(1 / (1 - m.beta1_product)),
            R(b2 / (1 - m.beta2_product)),
            R(1 / std::sqrt(1 - m.beta3_product)),
            R(o.eps),
            R(o.no_prox ? 1 : 1 + now.lr * o.weight_decay)};
  }

  template <Number T>
  AGMOHD_HD static void update(const T& /*p*/, const T& g, Slots<T>& s,
                               const Coefficients<Real<T>>& k) {
    const T h = k.sign * g;
    const T y = k.begun == 0 ? math::like(h, Real<T>(0)) : T(h + s.neg_pre_grad);
    const T ahead = h + k.beta2 * y;
    s.exp_avg = s.exp_avg + k.gain1 * (h - s.exp_avg);
    s.exp_avg_diff = s.exp_avg_diff + k.gain2 * (y - s.exp_avg_diff);
    s.exp_avg_sq = k.beta3 * s.exp_avg_sq + k.gain3 * (ahead * ahead);
    s.neg_pre_grad = Real<T>(-1) * h;
  }
  template <Number T>
  AGMOHD_HD static T direction(const T& /*p*/, const T& /*g*/, const Slots<T>& s,
                               const Coefficients<Real<T>>& k) {
    return (k.scale1 * s.exp_avg + k.scale2 * s.exp_avg_diff) /
           (k.scale3 * math::sqrt(s.exp_avg_sq) + k.eps);
  }
  template <Number T>
  AGMOHD_HD static T write(const T& p, const T& /*g*/, const T& u, Slots<T>& /*s*/,
                           const Coefficients<Real<T>>& k, Real<T> lr, Real<T> decay) {
    return (decay * p - lr * u) / k.divisor;
  }
};
static_assert(Rule<Adan> && has::write<Adan>);

}  // namespace agmohd::rule
