// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "../policy/field.hpp"
#include "moments.hpp"

namespace agmohd::rule {

/// LaProp (Ziyin et al. 2020, algorithm 1): Adam with the gradient divided by the root before it
/// joins the first moment, so that any pair of betas is stable:
///   v <- b2 v + (1 - b2) g^2,  m <- b1 m + (1 - b1) g / (sqrt(v / (1 - b2^t)) + eps),
///   p <- (1 - lr weight_decay) (p - lr m / (1 - b1^t))
/// Here m has no learning rate in it. The authors' code keeps lr m and divides by a mean of the
/// rates: the same while lr is constant, else gradients of steps with a larger rate weigh more.
/// In their laprop.py the weight decay acts after the step, as here, but is not multiplied with
/// lr; in the packages that have LaProp it is.
struct LaProp : Moments {
  struct Options {
    Pair betas{0.9, 0.999};  ///< decays of the two moments
    double eps = 1e-15;      ///< added to the corrected root
    double weight_decay =
        0;                  ///< decoupled: after the step p is multiplied with 1 - lr weight_decay
    bool maximize = false;  ///< ascend: the gradient is negated
  };
  static constexpr double default_lr = 4e-4;
  static constexpr auto fields =
      describe(field("betas", &Options::betas, in(0, 1)), field("eps", &Options::eps, at_least(0)),
               field("weight_decay", &Options::weight_decay, at_least(0)),
               field("maximize", &Options::maximize));
  static const char* name() { return "LaProp"; }
  static constexpr bool squares = true;
  static unsigned slots(const Options&) { return used(false); }
  static Memory restore(const Options& o, std::int64_t step) {
    return Moments::restore(o.betas, step);
  }

  template <class R>
  struct Coefficients {
    R sign;   ///< -1 with maximize
    R beta2;  ///< decay of v
    R decay;  ///< lr weight_decay: part of p that goes after the step
    Moments::Coefficients<R> moments;
  };

  AGMOHD_HD static double beta1(const Options& o) { return o.betas.first; }

  template <class R>
  AGMOHD_HD static Coefficients<R> at(const Options& o, const Now& now, Memory& m) {
    return {R(o.maximize ? -1 : 1), R(o.betas.second), R(now.lr * o.weight_decay),
            Moments::at<R>(o.betas, o.eps, now, m)};
  }

  template <Number T>
  AGMOHD_HD static void update(const T& /*p*/, const T& g, Slots<T>& s,
                               const Coefficients<Real<T>>& k) {
    s.exp_avg_sq = k.beta2 * s.exp_avg_sq + k.moments.gain2 * (g * g);
    s.exp_avg = s.exp_avg + k.moments.gain1 * (scaled(g, s, k) - s.exp_avg);
  }
  template <Number T>
  AGMOHD_HD static T direction(const T& /*p*/, const T& g, const Slots<T>& s,
                               const Coefficients<Real<T>>& k) {
    const auto& c = k.moments;
    if (c.mix_gradient == 0) return c.scale1 * s.exp_avg;
    return c.scale1 * (c.mix_moment * s.exp_avg + c.mix_gradient * scaled(g, s, k));
  }
  template <Number T>
  AGMOHD_HD static T write(const T& p, const T& /*g*/, const T& u, Slots<T>& /*s*/,
                           const Coefficients<Real<T>>& k, Real<T> lr, Real<T> /*decay*/) {
    const T stepped = p - lr * u;
    return stepped - k.decay * stepped;
  }

 private:
  template <Number T>
  AGMOHD_HD static T scaled(const T& g, const Slots<T>& s, const Coefficients<Real<T>>& k) {
    return k.sign * g / (k.moments.scale2 * math::sqrt(s.exp_avg_sq) + k.moments.eps);
  }
};
static_assert(Rule<LaProp> && has::write<LaProp>);

}  // namespace agmohd::rule
