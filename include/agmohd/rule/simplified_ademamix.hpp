// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cmath>
#include <cstdint>
#include <string_view>

#include "../policy/field.hpp"
#include "growing_beta.hpp"
#include "rule.hpp"

namespace agmohd::rule {

/// Simplified AdEMAMix (Morwani et al. 2025, "Connections between Schedule-Free optimizers,
/// AdEMAMix, and accelerated SGD variants"): AdEMAMix with one momentum, which is a sum, not a
/// mean:
///   m <- b1 m + g,  v <- b2 v + (1 - b2) g^2,
///   p <- (1 - lr weight_decay) p - lr (m + alpha g) / (sqrt(v / (1 - b2^t)) + eps)
/// m has no bias correction and settles at g / (1 - b1), so a learning rate is about 1 - b1 times
/// AdamW's. b1 may grow from `min_beta1` over `beta1_warmup` steps as AdEMAMix's beta3 does,
/// without the 1e-8 that the authors' code adds to betas under their logarithms.
struct SimplifiedAdEMAMix {
  struct Options {
    Pair betas{0.99, 0.95};         ///< decays of m and v
    double alpha = 0;               ///< weight of the gradient beside m
    std::int64_t beta1_warmup = 0;  ///< steps over which b1 grows from min_beta1; 0: it is constant
    double min_beta1 = 0.9;         ///< b1 where it begins to grow
    double eps = 1e-8;              ///< added to the corrected root
    double weight_decay = 0;        ///< decoupled: p is multiplied with 1 - lr weight_decay
    bool maximize = false;          ///< ascend: the gradient is negated
  };
  static constexpr double default_lr = 1e-4;
  static constexpr auto fields = describe(
      field("betas", &Options::betas, in(0, 1)), field("alpha", &Options::alpha, at_least(0)),
      field("beta1_warmup", &Options::beta1_warmup, at_least(0)),
      field("min_beta1", &Options::min_beta1, in(0, 1)), field("eps", &Options::eps, at_least(0)),
      field("weight_decay", &Options::weight_decay, at_least(0)),
      field("maximize", &Options::maximize));
  static const char* name() { return "SimplifiedAdEMAMix"; }
  static constexpr bool squares = true;
  static const char* needs(const Options& o, std::string_view name) {
    return name == "min_beta1" && o.beta1_warmup == 0 ? "beta1_warmup above 0" : nullptr;
  }

  template <class T>
  struct Slots {
    T exp_avg, exp_avg_sq;
  };
  static constexpr std::array<const char*, 2> slot_names{"exp_avg", "exp_avg_sq"};
  static unsigned slots(const Options&) { return 3; }

  /// The product of b2 of all steps so far, in the place of b2^t: b2 may change.
  struct Memory {
    double beta2_product = 1;
    constexpr void members(auto&& f) { f("beta2_product", beta2_product); }
  };
  static Memory restore(const Options& o, std::int64_t step) {
    return {std::pow(o.betas.second, double(step))};
  }

  template <class R>
  struct Coefficients {
    R sign;                  ///< -1 with maximize
    R gain1;                 ///< 1 - b1: what m loses in a step
    R beta2, gain2;          ///< decay of v; 1 - b2: weight of the new g^2 in v
    R mix_moment, gradient;  ///< weights of m and g in the numerator; 1 and alpha but for Nesterov
    R scale2;                ///< bias correction of the root: 1 / sqrt(1 - b2^t)
    R eps;                   ///< added to the corrected root
  };

  AGMOHD_HD static double beta1(const Options& o) { return o.betas.first; }
  /// On a quadratic with a settled second moment the step is stable up to a learning rate of
  /// 2 (1 + b1) / (1 + alpha (1 + b1)) over the preconditioned curvature, from the recursion.
  AGMOHD_HD static double stable_step(const Options& o, double b1) {
    return (1 + b1) / (1 + o.alpha * (1 + b1));
  }
  /// What the parameter is multiplied with in a step.
  AGMOHD_HD static double decay(const Options& o, double lr) { return 1 - lr * o.weight_decay; }

  template <class R>
  AGMOHD_HD static Coefficients<R> at(const Options& o, const Now& now, Memory& m) {
    const double most = now.blend.beta1, look = now.blend.look, b2 = o.betas.second;
    const double b1 =
        o.beta1_warmup > 0 ? growing_beta(o.min_beta1, most, now.step, o.beta1_warmup) : most;
    m.beta2_product *= b2;
    return {R(o.maximize ? -1 : 1),
            R(1 - b1),
            R(b2),
            R(1 - b2),
            R(1 - look + look * b1),
            R(o.alpha + look),
            R(1 / std::sqrt(1 - m.beta2_product)),
            R(o.eps)};
  }

  /// As Adam's: the last update in the metric of this step.
  template <class T>
  AGMOHD_HD static Slots<T> before(const Slots<T>& old, const Slots<T>& now) {
    return {old.exp_avg, now.exp_avg_sq};
  }

  template <Number T>
  AGMOHD_HD static void update(const T& /*p*/, const T& g, Slots<T>& s,
                               const Coefficients<Real<T>>& k) {
    const T h = k.sign * g;
    // Not b1 m + h: b1 rounded to float would be an error of 1e-6 of a settled m at b1 = 0.99.
    s.exp_avg = s.exp_avg + (h - k.gain1 * s.exp_avg);
    s.exp_avg_sq = k.beta2 * s.exp_avg_sq + k.gain2 * (h * h);
  }
  template <Number T>
  AGMOHD_HD static T direction(const T& /*p*/, const T& g, const Slots<T>& s,
                               const Coefficients<Real<T>>& k) {
    const T moment = k.mix_moment * s.exp_avg + k.gradient * (k.sign * g);
    return moment / (k.scale2 * math::sqrt(s.exp_avg_sq) + k.eps);
  }
};
static_assert(Rule<SimplifiedAdEMAMix> && has::before<SimplifiedAdEMAMix>);

}  // namespace agmohd::rule
