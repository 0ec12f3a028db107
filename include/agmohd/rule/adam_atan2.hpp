// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "../policy/atan2.hpp"
#include "../policy/field.hpp"
#include "moments.hpp"

namespace agmohd::rule {

/// Adam-atan2 (Everett et al. 2024, "Scaling exponents across parameterizations and optimizers"):
/// AdamW without eps, whose steps do not change with the scale of the gradients. With the moments m
/// and v of Moments:
///   p <- (1 - lr weight_decay) p - lr a atan2(m / (1 - b1^t), b sqrt(v / (1 - b2^t)))
/// The update is bounded by a pi / 2, and 0 where m and v are. a and b begin with the values of
/// adam-atan2-pytorch; 1.27 is 4 / pi, for an update of 1 where the moment equals the root.
struct AdamAtan2 : Moments {
  struct Options {
    Pair betas{0.9, 0.99};    ///< decays of the two moments
    double weight_decay = 0;  ///< decoupled: p is multiplied with 1 - lr weight_decay
    double a = 1.27;          ///< weight of the angle
    double b = 1;             ///< weight of the root within it
    bool maximize = false;    ///< ascend: the gradient is negated
  };
  static constexpr double default_lr = 1e-4;
  static constexpr auto fields = describe(
      field("betas", &Options::betas, in(0, 1)),
      field("weight_decay", &Options::weight_decay, at_least(0)), field("a", &Options::a, above(0)),
      field("b", &Options::b, above(0)), field("maximize", &Options::maximize));
  static const char* name() { return "AdamAtan2"; }
  static unsigned slots(const Options&) { return used(false); }
  static Memory restore(const Options& o, std::int64_t step) {
    return Moments::restore(o.betas, step);
  }

  template <class R>
  struct Coefficients {
    R sign;  ///< -1 with maximize
    R a, b;  ///< weights of the angle and of the root
    Moments::Coefficients<R> moments;
  };

  AGMOHD_HD static double beta1(const Options& o) { return o.betas.first; }
  /// What the parameter is multiplied with in a step.
  AGMOHD_HD static double decay(const Options& o, double lr) { return 1 - lr * o.weight_decay; }

  template <class R>
  AGMOHD_HD static Coefficients<R> at(const Options& o, const Now& now, Memory& m) {
    return {R(o.maximize ? -1 : 1), R(o.a), R(o.b), Moments::at<R>(o.betas, 0, now, m)};
  }

  template <Number T>
  AGMOHD_HD static void update(const T& /*p*/, const T& g, Slots<T>& s,
                               const Coefficients<Real<T>>& k) {
    average(T(k.sign * g), s, k.moments);
  }
  template <Number T>
  AGMOHD_HD static T direction(const T& /*p*/, const T& g, const Slots<T>& s,
                               const Coefficients<Real<T>>& k) {
    const auto& c = k.moments;
    const T moment = c.mix_gradient == 0
                         ? s.exp_avg
                         : T(c.mix_moment * s.exp_avg + c.mix_gradient * (k.sign * g));
    const T root = k.b * (c.scale2 * math::sqrt(s.exp_avg_sq));
    return k.a * math::atan2(T(c.scale1 * moment), root);
  }
};
static_assert(Rule<AdamAtan2> && has::before<AdamAtan2>);

}  // namespace agmohd::rule
