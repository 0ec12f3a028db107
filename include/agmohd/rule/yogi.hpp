// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "../policy/field.hpp"
#include "moments.hpp"

namespace agmohd::rule {

/// Yogi (Zaheer et al. 2018, algorithm 2): Adam, but v moves by no more than (1 - b2) g^2 in a
/// step, so that it does not forget as fast where gradients shrink:
///   m <- b1 m + (1 - b1) g,  v <- v - (1 - b2) sign(v - g^2) g^2,
///   p <- (1 - lr weight_decay) p - lr m / (1 - b1^t) / (sqrt(v / (1 - b2^t)) + eps)
/// The algorithm has no bias correction. As in the packages for PyTorch and JAX there is Adam's
/// here, and both moments begin with a small value. Weight decay is decoupled.
struct Yogi : Moments {
  struct Options {
    Pair betas{0.9, 0.999};                   ///< decay of m; 1 - b2 bounds the change of v
    double initial_accumulator_value = 1e-6;  ///< the value that m and v begin with
    double eps = 1e-3;                        ///< added to the corrected root
    double weight_decay = 0;  ///< decoupled: p is multiplied with 1 - lr weight_decay
    bool maximize = false;    ///< ascend: the gradient is negated
  };
  static constexpr double default_lr = 1e-2;
  static constexpr auto fields =
      describe(field("betas", &Options::betas, in(0, 1)),
               field("initial_accumulator_value", &Options::initial_accumulator_value, at_least(0)),
               field("eps", &Options::eps, at_least(0)),
               field("weight_decay", &Options::weight_decay, at_least(0)),
               field("maximize", &Options::maximize));
  static const char* name() { return "Yogi"; }
  static constexpr bool squares = true;
  static unsigned slots(const Options&) { return used(false); }
  static double initial(const Options& o, int /*slot*/) { return o.initial_accumulator_value; }
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

  template <Number T>
  AGMOHD_HD static void update(const T& /*p*/, const T& g, Slots<T>& s,
                               const Coefficients<Real<T>>& k) {
    const T h = k.sign * g, square = h * h;
    s.exp_avg = s.exp_avg + k.moments.gain1 * (h - s.exp_avg);
    s.exp_avg_sq = s.exp_avg_sq - k.moments.gain2 * (math::sign(T(s.exp_avg_sq - square)) * square);
    s.max_exp_avg_sq = s.exp_avg_sq;  // what `ratio` divides by; not stored
  }
  template <Number T>
  AGMOHD_HD static T direction(const T& /*p*/, const T& g, const Slots<T>& s,
                               const Coefficients<Real<T>>& k) {
    return ratio(T(k.sign * g), s, k.moments);
  }
};
static_assert(Rule<Yogi> && has::initial<Yogi>);

}  // namespace agmohd::rule
