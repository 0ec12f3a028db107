// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>
#include <cstdint>

#include "../policy/field.hpp"
#include "guard/moments_guard.hpp"
#include "moments.hpp"

namespace agmohd::rule {

/// StableAdamW (Wortsman et al. 2023, algorithm 2): AdamW whose learning rate is divided, tensor by
/// tensor, by max(1, RMS), RMS being the root of the tensor's mean of g^2 / max(v, eps^2), and v
/// the corrected second moment that includes g:
///   m <- b1 m + (1 - b1) g,  v' <- b2 v' + (1 - b2) g^2,  v = v' / (1 - b2^t),
///   r = lr / max(1, RMS),  RMS^2 = mean(g^2 / max(v, eps^2)),
///   p <- (1 - r weight_decay) p - r m / (1 - b1^t) / (sqrt(v) + eps)
/// So the step does not become too large where the
/// second moment lags behind the gradients. For this the reduce pass reads exp_avg_sq as well: 4
/// bytes a parameter more.
///
/// Two things differ from the paper. g is the gradient as the reduce pass measures it, before any
/// clip by norm; a recipe that has one divides by too much where both act (the paper has none). And
/// as published one gradient that is NaN or infinite makes the whole tensor NaN; with
/// `rms_repaired` the learning rate of such a tensor is not divided, so that only that element is
/// spoiled. To skip the step is the hindrance policy's business.
struct StableAdamW : Moments {
  struct Options {
    Pair betas{0.9, 0.99};       ///< decays of the two moments
    double eps = 1e-6;           ///< added to the root
    double weight_decay = 1e-2;  ///< decoupled: p is multiplied with 1 - lr weight_decay
    bool maximize = false;       ///< ascend: the gradient is negated
    bool rms_repaired = true;    ///< a non-finite gradient does not divide the tensor's rate
  };
  static constexpr auto fields = describe(
      field("betas", &Options::betas, in(0, 1)), field("eps", &Options::eps, at_least(0)),
      field("weight_decay", &Options::weight_decay, at_least(0)),
      field("maximize", &Options::maximize), field("rms_repaired", &Options::rms_repaired));
  static const char* name() { return "StableAdamW"; }
  static constexpr bool squares = true;
  static constexpr double default_lr = 1e-3;
  static unsigned slots(const Options&) { return used(false); }
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
  /// now.mean is RMS^2.
  AGMOHD_HD static double lr(const Options& o, const Now& now) {
    if (now.mean <= 1 || (o.rms_repaired && !(now.mean - now.mean == 0))) return now.lr;
    return now.lr / std::sqrt(now.mean);
  }

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

  /// Constants of `summed`.
  template <class R>
  struct Summing {
    R gain2, correction, least;  ///< 1 - b2; 1 / (1 - b2^t); eps^2
  };
  template <class R>
  AGMOHD_HD static Summing<R> summing(const Options& o, const Memory& m) {
    const double b2 = o.betas.second, least = o.eps * o.eps;
    return {R(1 - b2), R(1 / (1 - m.beta2_product * b2)), R(least > kLeast ? least : kLeast)};
  }
  template <Number T>
  AGMOHD_HD static T summed(const T& g, const Slots<T>& s, const Summing<Real<T>>& k) {
    const T h = math::squarable(g), square = h * h;
    const T v = k.correction * (s.exp_avg_sq + k.gain2 * (square - s.exp_avg_sq));
    return square / math::max(v, math::like(g, k.least));
  }

  using Guard = MomentsGuard;

 private:
  static constexpr double kLeast = 1e-37;  ///< the smallest number that float can divide by
};
static_assert(Rule<StableAdamW> && has::guard<StableAdamW> && has::summed<StableAdamW>);

}  // namespace agmohd::rule
