// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>

#include "../policy/field.hpp"
#include "rule.hpp"

namespace agmohd::rule {

/// Sophia (Liu et al. 2023, algorithm 3 as of its second version): the clipped Newton step along a
/// mean of the gradients,
///   m <- b1 m + (1 - b1) g,
///   p <- (1 - lr weight_decay) p - lr clamp(m / max(rho h, eps), -1, 1)
/// h, the slot `hessian`, is a running mean of estimates of the Hessian's diagonal, with decay b2.
/// A step leaves it alone: call wrap::update_hessian every ten steps or so, with an estimate of
/// wrap::gauss_newton_bartlett (Sophia-G) or wrap::hutchinson (Sophia-H). Where h is 0 or negative
/// the step is that of sign(m). Keep h in float32: storage::BFloat16 rounds its small steps away.
/// `rho` is the paper's gamma: 0.05 for Sophia-G, 0.01 for Sophia-H.
///
/// The authors' code has g^2 of sampled labels in h and rho bs h + 1e-15 in the place of the
/// maximum, bs being the batch size; here the estimate has the batch size in it. pytorch-optimizer
/// 4.1.0 (SophiaH) and the paper's first version have clamp(m / max(h, eps), -rho, rho): lr and eps
/// here are rho times theirs, weight_decay is theirs over rho.
struct Sophia {
  struct Options {
    Pair betas{0.965, 0.99};    ///< decays of m, and of h at each update of h
    double rho = 0.04;          ///< of h: the larger, the fewer elements are clipped
    double eps = 1e-12;         ///< least denominator; m = h = 0 would be 0 / 0 without it
    double weight_decay = 0.1;  ///< decoupled: p is multiplied with 1 - lr weight_decay
    bool maximize = false;      ///< ascend: the gradient is negated
  };
  static constexpr double default_lr = 1e-4;
  static constexpr auto fields =
      describe(field("betas", &Options::betas, in(0, 1)), field("rho", &Options::rho, at_least(0)),
               field("eps", &Options::eps, above(0)),
               field("weight_decay", &Options::weight_decay, at_least(0)),
               field("maximize", &Options::maximize));
  static const char* name() { return "Sophia"; }

  template <class T>
  struct Slots {
    T exp_avg, hessian;
  };
  static constexpr std::array<const char*, 2> slot_names{"exp_avg", "hessian"};
  static unsigned slots(const Options&) { return 3; }
  static double hessian_decay(const Options& o) { return o.betas.second; }

  struct Memory {};
  static Memory restore(const Options&, std::int64_t) { return {}; }

  template <class R>
  struct Coefficients {
    R sign;                      ///< -1 with maximize
    R gain1;                     ///< 1 - b1: weight of the new gradient in m
    R mix_moment, mix_gradient;  ///< of m and g in the numerator; 1 and 0 but for Nesterov momentum
    R rho, eps;
  };

  AGMOHD_HD static double beta1(const Options& o) { return o.betas.first; }
  /// As Adam's, where nothing is clipped.
  AGMOHD_HD static double stable_step(const Options&, double b1) { return (1 + b1) / (1 - b1); }
  /// What the parameter is multiplied with in a step.
  AGMOHD_HD static double decay(const Options& o, double lr) { return 1 - lr * o.weight_decay; }

  template <class R>
  AGMOHD_HD static Coefficients<R> at(const Options& o, const Now& now, Memory&) {
    const double b1 = now.blend.beta1, look = now.blend.look;
    return {R(o.maximize ? -1 : 1), R(1 - b1), R(1 - look + look * b1),
            R(look * (1 - b1)),     R(o.rho),  R(o.eps)};
  }

  template <Number T>
  AGMOHD_HD static void update(const T& /*p*/, const T& g, Slots<T>& s,
                               const Coefficients<Real<T>>& k) {
    s.exp_avg = s.exp_avg + k.gain1 * (k.sign * g - s.exp_avg);
  }
  template <Number T>
  AGMOHD_HD static T direction(const T& /*p*/, const T& g, const Slots<T>& s,
                               const Coefficients<Real<T>>& k) {
    const T moment = k.mix_gradient == 0
                         ? s.exp_avg
                         : T(k.mix_moment * s.exp_avg + k.mix_gradient * (k.sign * g));
    const T denominator = math::max(T(k.rho * s.hessian), math::like(g, k.eps));
    return math::clamp(T(moment / denominator), math::like(g, Real<T>(1)));
  }
};
static_assert(Rule<Sophia>);

}  // namespace agmohd::rule
