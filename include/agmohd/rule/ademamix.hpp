// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>

#include "../policy/field.hpp"
#include "growing_beta.hpp"
#include "moments.hpp"

namespace agmohd::rule {

/// AdEMAMix (Pagliardini et al. 2024, algorithm 1): AdamW with a second, slow mean of the gradients
/// that has no bias correction:
///   m <- b1 m + (1 - b1) g,  n <- b3 n + (1 - b3) g,  v <- b2 v + (1 - b2) g^2,
///   p <- (1 - lr weight_decay) p
///        - lr (m / (1 - b1^t) + alpha n) / (sqrt(v / (1 - b2^t)) + eps)
/// The paper's schedulers: alpha grows in proportion to t over t_alpha steps; b3 grows from b1 over
/// t_beta3 steps so that 1 / ln(b3) is linear in t. Both should be the length of the training.
struct AdEMAMix {
  struct Options {
    Pair betas{0.9, 0.999};    ///< decays of m and v
    double beta3 = 0.9999;     ///< decay of n
    double alpha = 5;          ///< weight of n beside m
    std::int64_t t_alpha = 0;  ///< steps over which alpha grows from 0; 0: it is constant
    std::int64_t t_beta3 = 0;  ///< steps over which beta3 grows from beta1; 0: it is constant
    double eps = 1e-8;         ///< added to the corrected root
    double weight_decay = 0;   ///< decoupled: p is multiplied with 1 - lr weight_decay
    bool maximize = false;     ///< ascend: the gradient is negated
  };
  static constexpr double default_lr = 1e-3;
  static constexpr auto fields = describe(
      field("betas", &Options::betas, in(0, 1)), field("beta3", &Options::beta3, in(0, 1)),
      field("alpha", &Options::alpha, at_least(0)),
      field("t_alpha", &Options::t_alpha, at_least(0)),
      field("t_beta3", &Options::t_beta3, at_least(0)), field("eps", &Options::eps, at_least(0)),
      field("weight_decay", &Options::weight_decay, at_least(0)),
      field("maximize", &Options::maximize));
  static const char* name() { return "AdEMAMix"; }
  static constexpr bool squares = true;

  template <class T>
  struct Slots {
    T exp_avg, exp_avg_sq, exp_avg_slow;
  };
  static constexpr std::array<const char*, 3> slot_names{"exp_avg", "exp_avg_sq", "exp_avg_slow"};
  static unsigned slots(const Options&) { return 7; }

  using Memory = Moments::Memory;
  static Memory restore(const Options& o, std::int64_t step) {
    return Moments::restore(o.betas, step);
  }

  template <class R>
  struct Coefficients {
    R sign;          ///< -1 with maximize
    R beta2, gain3;  ///< decay of v; 1 - b3: weight of the new gradient in n
    R alpha;         ///< weight of n beside m, in this step
    Moments::Coefficients<R> moments;
  };

  AGMOHD_HD static double beta1(const Options& o) { return o.betas.first; }
  /// What the parameter is multiplied with in a step.
  AGMOHD_HD static double decay(const Options& o, double lr) { return 1 - lr * o.weight_decay; }

  /// The weight of n in step t.
  AGMOHD_HD static double alpha(const Options& o, std::int64_t t) {
    return t < o.t_alpha ? o.alpha * double(t) / double(o.t_alpha) : o.alpha;
  }
  /// The decay of n in step t.
  AGMOHD_HD static double beta3(const Options& o, std::int64_t t) {
    return growing_beta(o.betas.first, o.beta3, t, o.t_beta3);
  }

  template <class R>
  AGMOHD_HD static Coefficients<R> at(const Options& o, const Now& now, Memory& m) {
    return {R(o.maximize ? -1 : 1), R(o.betas.second), R(1 - beta3(o, now.step)),
            R(alpha(o, now.step)), Moments::at<R>(o.betas, o.eps, now, m)};
  }

  /// As Adam's: the last update in the metric of this step.
  template <class T>
  AGMOHD_HD static Slots<T> before(const Slots<T>& old, const Slots<T>& now) {
    return {old.exp_avg, now.exp_avg_sq, old.exp_avg_slow};
  }

  template <Number T>
  AGMOHD_HD static void update(const T& /*p*/, const T& g, Slots<T>& s,
                               const Coefficients<Real<T>>& k) {
    const T h = k.sign * g;
    s.exp_avg = s.exp_avg + k.moments.gain1 * (h - s.exp_avg);
    s.exp_avg_slow = s.exp_avg_slow + k.gain3 * (h - s.exp_avg_slow);
    s.exp_avg_sq = k.beta2 * s.exp_avg_sq + k.moments.gain2 * (h * h);
  }
  template <Number T>
  AGMOHD_HD static T direction(const T& /*p*/, const T& g, const Slots<T>& s,
                               const Coefficients<Real<T>>& k) {
    const auto& c = k.moments;
    const T fast = c.mix_gradient == 0
                       ? s.exp_avg
                       : T(c.mix_moment * s.exp_avg + c.mix_gradient * (k.sign * g));
    return (c.scale1 * fast + k.alpha * s.exp_avg_slow) /
           (c.scale2 * math::sqrt(s.exp_avg_sq) + c.eps);
  }
};
static_assert(Rule<AdEMAMix> && has::before<AdEMAMix>);

}  // namespace agmohd::rule
