// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>

#include "../policy/field.hpp"
#include "moments.hpp"

namespace agmohd::rule {

/// AdaBelief (Zhuang et al. 2020, algorithm 2, with Adam's bias correction): Adam, but s measures
/// how far gradients are from the m that predicts them:
///   m <- b1 m + (1 - b1) g,  s <- b2 s + (1 - b2) (g - m)^2 + eps,
///   p <- (1 - lr weight_decay) p - lr m / (1 - b1^t) / (sqrt(s / (1 - b2^t)) + eps)
/// eps joins s for good in every step, and the root once more. Weight decay is decoupled, and
/// nothing is rectified: in the authors' code the former is the default, the latter an option.
struct AdaBelief : Moments {
  struct Options {
    Pair betas{0.9, 0.999};   ///< decays of m and s
    double eps = 1e-16;       ///< added to s in every step, and to the corrected root
    double weight_decay = 0;  ///< decoupled: p is multiplied with 1 - lr weight_decay
    bool amsgrad = false;     ///< divide by the largest s so far
    bool maximize = false;    ///< ascend: the gradient is negated
  };
  static constexpr double default_lr = 1e-3;
  static constexpr auto fields =
      describe(field("betas", &Options::betas, in(0, 1)), field("eps", &Options::eps, at_least(0)),
               field("weight_decay", &Options::weight_decay, at_least(0)),
               field("amsgrad", &Options::amsgrad), field("maximize", &Options::maximize));
  static const char* name() { return "AdaBelief"; }
  static constexpr bool squares = true;

  /// s is in the place of Adam's second moment.
  static constexpr std::array<const char*, 3> slot_names{"exp_avg", "exp_avg_var",
                                                         "max_exp_avg_var"};
  static unsigned slots(const Options& o) { return used(o.amsgrad); }
  static Memory restore(const Options& o, std::int64_t step) {
    return Moments::restore(o.betas, step);
  }

  template <class R>
  struct Coefficients {
    R sign;   ///< -1 with maximize
    R beta2;  ///< decay of s
    Moments::Coefficients<R> moments;
  };

  AGMOHD_HD static double beta1(const Options& o) { return o.betas.first; }
  /// What the parameter is multiplied with in a step.
  AGMOHD_HD static double decay(const Options& o, double lr) { return 1 - lr * o.weight_decay; }

  template <class R>
  AGMOHD_HD static Coefficients<R> at(const Options& o, const Now& now, Memory& m) {
    return {R(o.maximize ? -1 : 1), R(o.betas.second), Moments::at<R>(o.betas, o.eps, now, m)};
  }

  template <Number T>
  AGMOHD_HD static void update(const T& /*p*/, const T& g, Slots<T>& s,
                               const Coefficients<Real<T>>& k) {
    const T h = k.sign * g;
    s.exp_avg = s.exp_avg + k.moments.gain1 * (h - s.exp_avg);
    const T error = h - s.exp_avg;
    s.exp_avg_sq = k.beta2 * s.exp_avg_sq + k.moments.gain2 * (error * error) + k.moments.eps;
    s.max_exp_avg_sq = math::max(s.max_exp_avg_sq, s.exp_avg_sq);  // as Moments::average
  }
  template <Number T>
  AGMOHD_HD static T direction(const T& /*p*/, const T& g, const Slots<T>& s,
                               const Coefficients<Real<T>>& k) {
    return ratio(T(k.sign * g), s, k.moments);
  }
};
static_assert(Rule<AdaBelief>);

}  // namespace agmohd::rule
