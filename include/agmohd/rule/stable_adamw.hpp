// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>
#include <cstdint>

#include "adamw.hpp"

namespace agmohd::rule {

/// StableAdamW (Wortsman et al. 2023, algorithm 2): AdamW whose learning rate is divided, tensor by
/// tensor, by the root mean square of g^2 / max(v, eps^2), where that is above 1; v is the
/// corrected second moment that includes g. So a second moment that lags behind the gradients does
/// not make the step too large. The reduce pass reads exp_avg_sq for it: 4 bytes a parameter more.
///
/// g is the gradient as the reduce pass measures it: clips by norm are not in it, so that with one
/// in front the division is by too much where both act. As published there is none. As published,
/// one gradient that is NaN, or infinite, makes the whole tensor NaN. `rms_repaired`: the learning
/// rate is then not divided; to skip is the hindrance policy's business.
struct StableAdamW : AdamW {
  struct Options {
    Pair betas{0.9, 0.99};
    double eps = 1e-6;
    double weight_decay = 1e-2;
    bool maximize = false;
    bool rms_repaired = true;
  };
  static constexpr auto fields = describe(
      field("betas", &Options::betas, in(0, 1)), field("eps", &Options::eps, at_least(0)),
      field("weight_decay", &Options::weight_decay, at_least(0)),
      field("maximize", &Options::maximize), field("rms_repaired", &Options::rms_repaired));
  static const char* name() { return "StableAdamW"; }
  static unsigned slots(const Options& o) { return AdamW::slots(adamw(o)); }
  static Memory restore(const Options& o, std::int64_t step) {
    return AdamW::restore(adamw(o), step);
  }

  AGMOHD_HD static double beta1(const Options& o) { return o.betas.first; }
  AGMOHD_HD static double decay(const Options& o, double lr) { return 1 - lr * o.weight_decay; }
  AGMOHD_HD static double lr(const Options& o, const Now& now) {
    if (now.mean <= 1 || (o.rms_repaired && !(now.mean - now.mean == 0))) return now.lr;
    return now.lr / std::sqrt(now.mean);
  }

  template <class R>
  AGMOHD_HD static Coefficients<R> at(const Options& o, const Now& now, Memory& m) {
    return AdamW::at<R>(adamw(o), now, m);
  }

  template <class R>
  struct Summing {
    R gain2, correction, least;
  };
  template <class R>
  AGMOHD_HD static Summing<R> summing(const Options& o, const Memory& m) {
    const double b2 = o.betas.second, least = o.eps * o.eps;
    return {R(1 - b2), R(1 / (1 - m.beta2_product * b2)), R(least > kLeast ? least : kLeast)};
  }
  template <Number T>
  AGMOHD_HD static T summed(const T& g, const Slots<T>& s, const Summing<Real<T>>& k) {
    const T square = g * g;
    const T v = k.correction * (s.exp_avg_sq + k.gain2 * (square - s.exp_avg_sq));
    return square / math::max(v, math::like(g, k.least));
  }

  struct Guard : AdamW::Guard {
    static Memory restore(const Options& o, std::int64_t step) {
      return AdamW::Guard::restore(adamw(o), step);
    }
    template <class R>
    AGMOHD_HD static Coefficients<R> at(const Options& o, const Now& now, double slack,
                                        const Adam::Memory& rule, Memory& m) {
      return AdamW::Guard::at<R>(adamw(o), now, slack, rule, m);
    }
  };

 private:
  static constexpr double kLeast = 1e-37;  ///< that float can divide by
  AGMOHD_HD static AdamW::Options adamw(const Options& o) {
    return {o.betas, o.eps, o.weight_decay, false, o.maximize};
  }
};
static_assert(Rule<StableAdamW> && has::guard<StableAdamW> && has::summed<StableAdamW>);

}  // namespace agmohd::rule
