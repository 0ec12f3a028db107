// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "../policy/field.hpp"
#include "guard/moments_guard.hpp"
#include "l2_decay.hpp"
#include "moments.hpp"

namespace agmohd::rule {

/// Adam (Kingma & Ba 2015, algorithm 1; AMSGrad by option), with the moments m and v of Moments:
///   g <- g + weight_decay p,  p <- p - lr m / (1 - b1^t) / (sqrt(v / (1 - b2^t)) + eps)
struct Adam : Moments {
  struct Options {
    Pair betas{0.9, 0.999};   ///< decays of the two moments
    double eps = 1e-8;        ///< added to the root; bounds the step where gradients vanish
    double weight_decay = 0;  ///< L2: weight_decay p is added to the gradient
    bool amsgrad = false;     ///< divide by the largest second moment so far
    bool maximize = false;    ///< ascend: the gradient is negated
  };
  static constexpr double default_lr = 1e-3;
  static constexpr auto fields =
      describe(field("betas", &Options::betas, in(0, 1)), field("eps", &Options::eps, at_least(0)),
               field("weight_decay", &Options::weight_decay, at_least(0)),
               field("amsgrad", &Options::amsgrad), field("maximize", &Options::maximize));
  static const char* name() { return "Adam"; }
  static constexpr bool lazy = true;
  static unsigned slots(const Options& o) { return used(o.amsgrad); }
  static Memory restore(const Options& o, std::int64_t step) {
    return Moments::restore(o.betas, step);
  }

  template <class R>
  struct Coefficients {
    R sign;          ///< -1 with maximize
    R weight_decay;  ///< of p, where it joins the gradient
    Moments::Coefficients<R> moments;
  };

  AGMOHD_HD static double beta1(const Options& o) { return o.betas.first; }

  template <class R>
  AGMOHD_HD static Coefficients<R> at(const Options& o, const Now& now, Memory& m) {
    return {R(o.maximize ? -1 : 1), R(o.weight_decay), Moments::at<R>(o.betas, o.eps, now, m)};
  }

  /// Neither `maximize` nor Nesterov momentum.
  template <class R>
  static bool usual(Coefficients<R>& k) {
    if (k.sign != 1 || k.moments.mix_gradient != 0) return false;
    k.sign = 1, k.moments.mix_gradient = 0;
    return true;
  }

  template <Number T>
  AGMOHD_HD static void update(const T& p, const T& g, Slots<T>& s,
                               const Coefficients<Real<T>>& k) {
    average(decayed(p, g, k), s, k.moments);
  }
  template <Number T>
  AGMOHD_HD static T direction(const T& p, const T& g, const Slots<T>& s,
                               const Coefficients<Real<T>>& k) {
    return ratio(decayed(p, g, k), s, k.moments);
  }

  using Guard = MomentsGuard;
};
static_assert(Rule<Adam> && has::guard<Adam>);

}  // namespace agmohd::rule
