// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>

#include "../policy/field.hpp"
#include "moments.hpp"
#include "variance_reduction.hpp"

namespace agmohd::rule {

/// MARS-AdamW (Yuan et al. 2024, "MARS: unleashing the power of variance reduction for training
/// large models", MARS-approx), AdamW on a corrected gradient c, see VarianceReduction:
///   c = g + gamma b1 / (1 - b1) (g - g'),  c <- c / max(1, |c|),
///   m <- b1 m + (1 - b1) c,  v <- b2 v + (1 - b2) c^2,
///   p <- (1 - lr weight_decay) p - lr m / (1 - b1^t) / (sqrt(v / (1 - b2^t)) + eps)
/// The authors' code has options for tensors of one dimension, which get AdamW; here these are a
/// parameter group with gamma 0, whose c is clipped nevertheless, or another optimizer.
/// momentum::Nesterov changes nothing.
struct MARS {
  struct Options {
    Pair betas{0.95, 0.99};   ///< decays of the two moments
    double gamma = 0.025;     ///< strength of the correction by the last gradient
    double eps = 1e-8;        ///< added to the corrected root
    double weight_decay = 0;  ///< decoupled: p is multiplied with 1 - lr weight_decay
    bool maximize = false;    ///< ascend: the gradient is negated
  };
  static constexpr double default_lr = 3e-3;
  static constexpr auto fields = describe(
      field("betas", &Options::betas, in(0, 1)), field("gamma", &Options::gamma, at_least(0)),
      field("eps", &Options::eps, at_least(0)),
      field("weight_decay", &Options::weight_decay, at_least(0)),
      field("maximize", &Options::maximize));
  static const char* name() { return "MARS"; }
  static constexpr bool squares = true;

  template <class T>
  struct Slots {
    T exp_avg, exp_avg_sq;
    T last_grad;  ///< g', negated with maximize
  };
  static constexpr std::array<const char*, 3> slot_names{"exp_avg", "exp_avg_sq", "last_grad"};
  static unsigned slots(const Options&) { return 7; }

  using Memory = Moments::Memory;
  static Memory restore(const Options& o, std::int64_t step) {
    return Moments::restore(o.betas, step);
  }

  /// Of `summed`, too.
  template <class R>
  using Summing = VarianceReduction<R>;
  template <class R>
  struct Coefficients {
    VarianceReduction<R> reduction;
    R scale;  ///< 1 / max(1, |c|)
    R beta2;  ///< decay of v
    Moments::Coefficients<R> moments;
  };

  AGMOHD_HD static double beta1(const Options& o) { return o.betas.first; }
  /// As Adam's up to a factor: with a correction K = gamma b1 / (1 - b1) that does not follow b1 it
  /// is 2 (1 + b1) / ((1 - b1) (1 + 2 K)), from the recursion.
  AGMOHD_HD static double stable_step(const Options& o, double b1) {
    return Moments::stable_step(o, b1);
  }
  /// What the parameter is multiplied with in a step.
  AGMOHD_HD static double decay(const Options& o, double lr) { return 1 - lr * o.weight_decay; }

  template <class R>
  AGMOHD_HD static Summing<R> summing(const Options& o, const Memory& m) {
    return Summing<R>::at(o.betas.first, o.gamma, o.maximize, m.beta1_product < 1);
  }
  template <Number T>
  AGMOHD_HD static T summed(const T& g, const Slots<T>& s, const Summing<Real<T>>& k) {
    const T c = k.corrected(g, s.last_grad);
    return c * c;
  }

  template <class R>
  AGMOHD_HD static Coefficients<R> at(const Options& o, const Now& now, Memory& m) {
    const auto reduction = summing<R>(o, m);  // from the memory before this step
    return {reduction, R(to_unit_norm(now)), R(o.betas.second),
            Moments::at<R>(o.betas, o.eps, now, m)};
  }

  /// As Adam's: the last update in the metric of this step.
  template <class T>
  AGMOHD_HD static Slots<T> before(const Slots<T>& old, const Slots<T>& now) {
    return {old.exp_avg, now.exp_avg_sq, now.last_grad};
  }

  template <Number T>
  AGMOHD_HD static void update(const T& /*p*/, const T& g, Slots<T>& s,
                               const Coefficients<Real<T>>& k) {
    const T c = k.scale * k.reduction.corrected(g, s.last_grad);
    s.exp_avg = s.exp_avg + k.moments.gain1 * (c - s.exp_avg);
    s.exp_avg_sq = k.beta2 * s.exp_avg_sq + k.moments.gain2 * (c * c);
    s.last_grad = k.reduction.sign * g;
  }
  template <Number T>
  AGMOHD_HD static T direction(const T& /*p*/, const T& /*g*/, const Slots<T>& s,
                               const Coefficients<Real<T>>& k) {
    const auto& c = k.moments;
    return c.scale1 * s.exp_avg / (c.scale2 * math::sqrt(s.exp_avg_sq) + c.eps);
  }
};
static_assert(Rule<MARS> && has::summed<MARS> && has::before<MARS>);

}  // namespace agmohd::rule
