// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>

#include "../policy/field.hpp"
#include "../policy/power.hpp"
#include "l2_decay.hpp"
#include "rule.hpp"

namespace agmohd::rule {

/// ADOPT (Taniguchi et al. 2024, algorithm 2, with the clip): Adam with the gradient divided by the
/// root of the second moment before this step, so that it converges with any b2:
///   m <- b1 m + (1 - b1) clip(g / max(sqrt(v), eps), +-c),  p <- p - lr m,
///   v <- b2 v + (1 - b2) g^2
/// The tensor's first gradient only begins v, as g^2, and leaves p as it is. c is t^(1/4), t
/// counting the updates after that. Weight decay is L2, g <- g + weight_decay p, or by option
/// decoupled.
struct ADOPT {
  struct Options {
    Pair betas{0.9, 0.9999};              ///< decays of the two moments
    double eps = 1e-6;                    ///< smallest root that is divided by
    double clip_exp = 0.25;               ///< power of the bound of the clip; a large one: no clip
    double weight_decay = 0;              ///< L2: weight_decay p is added to the gradient
    bool decoupled_weight_decay = false;  ///< p loses lr weight_decay p instead
    bool maximize = false;                ///< ascend: the gradient is negated
  };
  static constexpr double default_lr = 1e-3;
  static constexpr auto fields =
      describe(field("betas", &Options::betas, in(0, 1)), field("eps", &Options::eps, at_least(0)),
               field("clip_exp", &Options::clip_exp, at_least(0)),
               field("weight_decay", &Options::weight_decay, at_least(0)),
               field("decoupled_weight_decay", &Options::decoupled_weight_decay),
               field("maximize", &Options::maximize));
  static const char* name() { return "ADOPT"; }
  static constexpr bool squares = true;

  template <class T>
  struct Slots {
    T exp_avg, exp_avg_sq;
  };
  static constexpr std::array<const char*, 2> slot_names{"exp_avg", "exp_avg_sq"};
  static unsigned slots(const Options&) { return 3; }

  struct Memory {};
  static Memory restore(const Options&, std::int64_t) { return {}; }

  template <class R>
  struct Coefficients {
    R sign;                      ///< -1 with maximize
    R weight_decay;              ///< of p, where it joins the gradient
    R decay;                     ///< lr weight_decay, where it is decoupled
    R gain1;                     ///< 1 - b1: weight of the new term in m
    R beta2, gain2;              ///< decay of v, weight of g^2; 0 and 1 in the first step
    R clip;                      ///< c; 0 in the first step
    R eps;                       ///< smallest root that is divided by
    R mix_moment, mix_gradient;  ///< of m and of what joins it; 1 and 0 but for Nesterov momentum
  };

  AGMOHD_HD static double beta1(const Options& o) { return o.betas.first; }
  /// As Adam's, with a settled v.
  AGMOHD_HD static double stable_step(const Options&, double b1) { return (1 + b1) / (1 - b1); }

  template <class R>
  AGMOHD_HD static Coefficients<R> at(const Options& o, const Now& now, Memory&) {
    const bool first = now.step == 1;
    const double b1 = now.blend.beta1, b2 = first ? 0 : o.betas.second, look = now.blend.look;
    return {R(o.maximize ? -1 : 1),
            R(o.decoupled_weight_decay ? 0 : o.weight_decay),
            R(o.decoupled_weight_decay && !first ? now.lr * o.weight_decay : 0),
            R(1 - b1),
            R(b2),
            R(1 - b2),
            R(first ? 0 : math::pow(double(now.step - 1), o.clip_exp)),
            R(o.eps),
            R(1 - look + look * b1),
            R(look * (1 - b1))};
  }

  template <Number T>
  AGMOHD_HD static void update(const T& p, const T& g, Slots<T>& s,
                               const Coefficients<Real<T>>& k) {
    s.exp_avg = s.exp_avg + k.gain1 * (clipped(p, g, s, k) - s.exp_avg);
  }
  template <Number T>
  AGMOHD_HD static T direction(const T& p, const T& g, const Slots<T>& s,
                               const Coefficients<Real<T>>& k) {
    if (k.mix_gradient == 0) return s.exp_avg;
    return k.mix_moment * s.exp_avg + k.mix_gradient * clipped(p, g, s, k);
  }
  /// The direction uses v before g joins it.
  template <Number T>
  AGMOHD_HD static T write(const T& p, const T& g, const T& u, Slots<T>& s,
                           const Coefficients<Real<T>>& k, Real<T> lr, Real<T> /*decay*/) {
    const T h = decayed(p, g, k);
    s.exp_avg_sq = k.beta2 * s.exp_avg_sq + k.gain2 * (h * h);
    return p - k.decay * p - lr * u;
  }

 private:
  template <Number T>
  AGMOHD_HD static T clipped(const T& p, const T& g, const Slots<T>& s,
                             const Coefficients<Real<T>>& k) {
    const T root = math::max(math::sqrt(s.exp_avg_sq), math::like(g, k.eps));
    return math::clamp(T(decayed(p, g, k) / root), k.clip);
  }
};
static_assert(Rule<ADOPT> && has::write<ADOPT>);

}  // namespace agmohd::rule
