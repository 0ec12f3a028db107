// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cmath>
#include <cstdint>

#include "../policy/field.hpp"
#include "../policy/power.hpp"
#include "l2_decay.hpp"
#include "rule.hpp"

namespace agmohd::rule {

/// NAdam (Dozat 2016, algorithm 2) as PyTorch has it, eps outside the corrected root, with the
/// moments m and v of Adam and a momentum mu_t = b1 (1 - 0.96^(t momentum_decay) / 2) that grows:
///   u = (mu_{t+1} m / (1 - mu_1 ... mu_{t+1}) + (1 - mu_t) g / (1 - mu_1 ... mu_t)) /
///       (sqrt(v / (1 - b2^t)) + eps),  p <- p - lr u
/// As in PyTorch and unlike the paper, m decays with b1, not mu_t, and v has no factor b2. NAdam
/// looks ahead by itself: momentum::Nesterov changes nothing.
struct NAdam {
  struct Options {
    Pair betas{0.9, 0.999};               ///< decays of the two moments
    double eps = 1e-8;                    ///< added to the root
    double weight_decay = 0;              ///< weight_decay p is added to the gradient
    double momentum_decay = 4e-3;         ///< how fast the momentum grows from b1 / 2 to b1
    bool decoupled_weight_decay = false;  ///< p is multiplied with 1 - lr weight_decay instead
    bool maximize = false;                ///< ascend: the gradient is negated
  };
  static constexpr double default_lr = 2e-3;
  static constexpr auto fields =
      describe(field("betas", &Options::betas, in(0, 1)), field("eps", &Options::eps, at_least(0)),
               field("weight_decay", &Options::weight_decay, at_least(0)),
               field("momentum_decay", &Options::momentum_decay, at_least(0)),
               field("decoupled_weight_decay", &Options::decoupled_weight_decay),
               field("maximize", &Options::maximize));
  static const char* name() { return "NAdam"; }
  static constexpr bool squares = true;

  template <class T>
  struct Slots {
    T exp_avg, exp_avg_sq;
  };
  static constexpr std::array<const char*, 2> slot_names{"exp_avg", "exp_avg_sq"};
  static unsigned slots(const Options&) { return 3; }

  struct Memory {
    double mu_product = 1;     ///< of the momenta of all steps so far
    double beta2_product = 1;  ///< the same of b2, in the place of b2^t: b2 may change
    constexpr void members(auto&& f) {
      f("mu_product", mu_product), f("beta2_product", beta2_product);
    }
  };
  static Memory restore(const Options& o, std::int64_t step) {
    Memory m{1, std::pow(o.betas.second, double(step))};
    for (std::int64_t t = 1; t <= step && m.mu_product > kVanished; ++t) {
      m.mu_product *= mu(o, o.betas.first, t);
    }
    return m;
  }

  template <class R>
  struct Coefficients {
    R sign;                      ///< -1 with maximize
    R weight_decay;              ///< of p, where it joins the gradient
    R gain1;                     ///< 1 - b1: weight of the new gradient in m
    R beta2, gain2;              ///< decay of v; weight of the new g^2: 1 - b2
    R mix_moment, mix_gradient;  ///< of m and g in the numerator
    R scale2;                    ///< bias correction of the root: 1 / sqrt(1 - b2^t)
    R eps;                       ///< added to the corrected root
  };

  AGMOHD_HD static double beta1(const Options& o) { return o.betas.first; }
  /// Nesterov's form with a settled v and a settled mu: on a quadratic stable up to a learning rate
  /// of 2 (1 + b1) / (1 + b1 - 2 b1 mu) over the preconditioned curvature, from the recursion.
  AGMOHD_HD static double stable_step(const Options& o, double b1) {
    const double settled = o.momentum_decay > 0 ? b1 : b1 / 2;
    return (1 + b1) / (1 + b1 - 2 * b1 * settled);
  }
  /// What the parameter is multiplied with in a step.
  AGMOHD_HD static double decay(const Options& o, double lr) {
    return o.decoupled_weight_decay ? 1 - lr * o.weight_decay : 1;
  }

  template <class R>
  AGMOHD_HD static Coefficients<R> at(const Options& o, const Now& now, Memory& m) {
    const double b1 = now.blend.beta1, b2 = o.betas.second;
    const double here = mu(o, b1, now.step), next = mu(o, b1, now.step + 1);
    m.mu_product *= here;
    m.beta2_product *= b2;
    return {R(o.maximize ? -1 : 1),
            R(o.decoupled_weight_decay ? 0 : o.weight_decay),
            R(1 - b1),
            R(b2),
            R(1 - b2),
            R(next / (1 - m.mu_product * next)),
            R((1 - here) / (1 - m.mu_product)),
            R(1 / std::sqrt(1 - m.beta2_product)),
            R(o.eps)};
  }

  template <Number T>
  AGMOHD_HD static void update(const T& p, const T& g, Slots<T>& s,
                               const Coefficients<Real<T>>& k) {
    const T h = decayed(p, g, k);
    s.exp_avg = s.exp_avg + k.gain1 * (h - s.exp_avg);
    s.exp_avg_sq = k.beta2 * s.exp_avg_sq + k.gain2 * (h * h);
  }
  template <Number T>
  AGMOHD_HD static T direction(const T& p, const T& g, const Slots<T>& s,
                               const Coefficients<Real<T>>& k) {
    const T moment = k.mix_moment * s.exp_avg + k.mix_gradient * decayed(p, g, k);
    return moment / (k.scale2 * math::sqrt(s.exp_avg_sq) + math::like(g, k.eps));
  }
  /// As Adam's: the last update in the metric of this step.
  template <class T>
  AGMOHD_HD static Slots<T> before(const Slots<T>& old, const Slots<T>& now) {
    return {old.exp_avg, now.exp_avg_sq};
  }

 private:
  static constexpr double kVanished = 1e-300;  ///< a product that 1 - product does not see

  /// The momentum of step t.
  AGMOHD_HD static double mu(const Options& o, double b1, std::int64_t t) {
    return b1 * (1 - 0.5 * math::pow(0.96, double(t) * o.momentum_decay));
  }
};
static_assert(Rule<NAdam>);

}  // namespace agmohd::rule
