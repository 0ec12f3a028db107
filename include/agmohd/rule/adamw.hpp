// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "../policy/field.hpp"
#include "guard/moments_guard.hpp"
#include "moments.hpp"

namespace agmohd::rule {

/// AdamW: Adam with decoupled weight decay (Loshchilov & Hutter 2019, algorithm 2, the schedule
/// multiplying both parts as in PyTorch), with the moments m and v of Moments:
///   p <- (1 - lr weight_decay) p - lr m / (1 - b1^t) / (sqrt(v / (1 - b2^t)) + eps)
struct AdamW : Moments {
  struct Options {
    Pair betas{0.9, 0.999};      ///< decays of the two moments
    double eps = 1e-8;           ///< added to the root; bounds the step where gradients vanish
    double weight_decay = 1e-2;  ///< decoupled: p is multiplied with 1 - lr weight_decay
    bool amsgrad = false;        ///< divide by the largest second moment so far
    bool maximize = false;       ///< ascend: the gradient is negated
  };
  static constexpr double default_lr = 1e-3;
  static constexpr auto fields =
      describe(field("betas", &Options::betas, in(0, 1)), field("eps", &Options::eps, at_least(0)),
               field("weight_decay", &Options::weight_decay, at_least(0)),
               field("amsgrad", &Options::amsgrad), field("maximize", &Options::maximize));
  static const char* name() { return "AdamW"; }
  static constexpr bool lazy = true;
  static unsigned slots(const Options& o) { return used(o.amsgrad); }
  static Memory restore(const Options& o, std::int64_t step) {
    return Moments::restore(o.betas, step);
  }

  template <class R>
  struct Coefficients {
    R sign;  ///< -1 with maximize
    Moments::Coefficients<R> moments;
  };

  AGMOHD_HD static double beta1(const Options& o) { return o.betas.first; }
  /// What the parameter is multiplied with in a step.
  AGMOHD_HD static double decay(const Options& o, double lr) { return 1 - lr * o.weight_decay; }

  template <class R>
  AGMOHD_HD static Coefficients<R> at(const Options& o, const Now& now, Memory& m) {
    return {R(o.maximize ? -1 : 1), Moments::at<R>(o.betas, o.eps, now, m)};
  }

  /// Neither `maximize` nor Nesterov momentum.
  template <class R>
  static bool usual(Coefficients<R>& k) {
    if (k.sign != 1 || k.moments.mix_gradient != 0) return false;
    k.sign = 1, k.moments.mix_gradient = 0;
    return true;
  }

  template <Number T>
  AGMOHD_HD static void update(const T& /*p*/, const T& g, Slots<T>& s,
                               const Coefficients<Real<T>>& k) {
    average(T(k.sign * g), s, k.moments);
  }
  template <Number T>
  AGMOHD_HD static T direction(const T& /*p*/, const T& g, const Slots<T>& s,
                               const Coefficients<Real<T>>& k) {
    return ratio(T(k.sign * g), s, k.moments);
  }

  using Guard = MomentsGuard;
};
static_assert(Rule<AdamW> && has::guard<AdamW>);

}  // namespace agmohd::rule
