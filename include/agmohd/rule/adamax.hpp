// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cmath>
#include <cstdint>

#include "../policy/field.hpp"
#include "l2_decay.hpp"
#include "rule.hpp"

namespace agmohd::rule {

/// Adamax (Kingma & Ba 2015, algorithm 2): Adam with a decaying maximum in the place of the root,
///   m <- b1 m + (1 - b1) g,  n <- max(b2 n, |g| + eps),  p <- p - lr m / (1 - b1^t) / n
/// eps is PyTorch's; the paper has none. Weight decay is L2: g <- g + weight_decay p.
struct Adamax {
  struct Options {
    Pair betas{0.9, 0.999};   ///< decays of m and of n
    double eps = 1e-8;        ///< added to |g| where it joins n
    double weight_decay = 0;  ///< L2: weight_decay p is added to the gradient
    bool maximize = false;    ///< ascend: the gradient is negated
  };
  static constexpr double default_lr = 2e-3;
  static constexpr auto fields =
      describe(field("betas", &Options::betas, in(0, 1)), field("eps", &Options::eps, at_least(0)),
               field("weight_decay", &Options::weight_decay, at_least(0)),
               field("maximize", &Options::maximize));
  static const char* name() { return "Adamax"; }

  template <class T>
  struct Slots {
    T exp_avg, exp_inf;
  };
  static constexpr std::array<const char*, 2> slot_names{"exp_avg", "exp_inf"};
  static unsigned slots(const Options&) { return 3; }

  struct Memory {
    double beta1_product = 1;  ///< of all steps so far, in the place of b1^t: b1 may change
    constexpr void members(auto&& f) { f("beta1_product", beta1_product); }
  };
  static Memory restore(const Options& o, std::int64_t step) {
    return {std::pow(o.betas.first, double(step))};
  }

  template <class R>
  struct Coefficients {
    R sign;                      ///< -1 with maximize
    R weight_decay;              ///< of p, where it joins the gradient
    R gain1, beta2;              ///< 1 - b1, weight of the new gradient in m; decay of n
    R mix_moment, mix_gradient;  ///< of m and g in the numerator; 1 and 0 but for Nesterov momentum
    R scale1;                    ///< bias correction of m: 1 / (1 - b1^t)
    R eps;                       ///< added to |g|
  };

  AGMOHD_HD static double beta1(const Options& o) { return o.betas.first; }
  /// As Adam's, with a settled n in the place of the settled root.
  AGMOHD_HD static double stable_step(const Options&, double b1) { return (1 + b1) / (1 - b1); }

  template <class R>
  AGMOHD_HD static Coefficients<R> at(const Options& o, const Now& now, Memory& m) {
    const double b1 = now.blend.beta1, look = now.blend.look;
    m.beta1_product *= b1;
    const double correction1 = 1 - m.beta1_product;
    return {R(o.maximize ? -1 : 1),
            R(o.weight_decay),
            R(1 - b1),
            R(o.betas.second),
            R(1 - look + look * b1 * correction1 / (1 - m.beta1_product * b1)),
            R(look * (1 - b1)),
            R(1 / correction1),
            R(o.eps)};
  }

  template <Number T>
  AGMOHD_HD static void update(const T& p, const T& g, Slots<T>& s,
                               const Coefficients<Real<T>>& k) {
    const T h = decayed(p, g, k);
    s.exp_avg = s.exp_avg + k.gain1 * (h - s.exp_avg);
    s.exp_inf = math::max(T(k.beta2 * s.exp_inf), T(math::abs(h) + math::like(g, k.eps)));
  }
  template <Number T>
  AGMOHD_HD static T direction(const T& p, const T& g, const Slots<T>& s,
                               const Coefficients<Real<T>>& k) {
    if (k.mix_gradient == 0) return k.scale1 * s.exp_avg / s.exp_inf;
    return k.scale1 * (k.mix_moment * s.exp_avg + k.mix_gradient * decayed(p, g, k)) / s.exp_inf;
  }
  /// As Adam's: the last update in the metric of this step.
  template <class T>
  AGMOHD_HD static Slots<T> before(const Slots<T>& old, const Slots<T>& now) {
    return {old.exp_avg, now.exp_inf};
  }
};
static_assert(Rule<Adamax>);

}  // namespace agmohd::rule
