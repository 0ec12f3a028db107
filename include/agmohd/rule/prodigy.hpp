// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cmath>
#include <cstdint>

#include "../policy/field.hpp"
#include "distance_estimate.hpp"

namespace agmohd::rule {

/// Prodigy (Mishchenko & Defazio 2023, "Prodigy: an expeditiously adaptive parameter-free learner",
/// version of Adam): Adam whose rate is an estimate d of the distance from the first parameters p0
/// to the solution; lr stays a factor. With sums over all tensors and b3 = sqrt(b2) or `beta3`,
///   m <- b1 m + (1 - b1) d g,  v <- b2 v + (1 - b2) (d g)^2,
///   r <- b3 r + lr d^2 <g, p0 - p>,  s <- b3 s + lr d^2 g,
///   p <- p - lr d m / (sqrt(v) + d eps),  then d <- max(d, r / |s|_1)
/// g is the gradient after the transforms. What concerns d (d0, d_coef, growth_rate, beta3, bias
/// correction) follows the options of the first group, in all groups. rule_memory() of the
/// optimizer has d, and Record::lr has lr d with the bias correction. A group whose rate is 0
/// stands still: its m, v and s keep their values and count in no sum, as in prodigyopt. In
/// prodigyopt 1.1.2 the factor of eps, and of g where b1 is 0, is the d that the step finds; in the
/// paper and here it is the one that the step began with. Groups may differ in lr, which the
/// package refuses: each weighs its part of the sums. The package's slice_p and fsdp_in_use are
/// left out. Its growth_rate of infinity is 0 here, and so is its beta3 of None.
struct Prodigy : DistanceEstimate {
  struct Options {
    Pair betas{0.9, 0.999};            ///< decays of the two moments
    double beta3 = 0;                  ///< decay of r and s; 0: the root of the second beta
    double eps = 1e-8;                 ///< d eps is added to the root
    double weight_decay = 0;           ///< decoupled: p is multiplied with 1 - lr d weight_decay
    bool decouple = true;              ///< false: L2, weight_decay p is added to the gradient
    bool use_bias_correction = false;  ///< Adam's, as a factor of d in the rate
    bool safeguard_warmup = false;     ///< leave lr out of s, for warm-ups
    double d0 = 1e-6;                  ///< what d begins with
    double d_coef = 1;                 ///< factor of r / |s|_1; the option to tune
    double growth_rate = 0;            ///< of d in a step, at most, such as 1.02; 0: any
    bool maximize = false;             ///< ascend: the gradient is negated
  };
  static constexpr double default_lr = 1;
  static constexpr auto fields =
      describe(field("betas", &Options::betas, in(0, 1)), field("beta3", &Options::beta3, in(0, 1)),
               field("eps", &Options::eps, above(0)),
               field("weight_decay", &Options::weight_decay, at_least(0)),
               field("decouple", &Options::decouple),
               field("use_bias_correction", &Options::use_bias_correction),
               field("safeguard_warmup", &Options::safeguard_warmup),
               field("d0", &Options::d0, above(0)), field("d_coef", &Options::d_coef, above(0)),
               field("growth_rate", &Options::growth_rate, at_least(0)),
               field("maximize", &Options::maximize));
  static const char* name() { return "Prodigy"; }
  static constexpr bool squares = true;

  template <class T>
  struct Slots {
    T exp_avg, exp_avg_sq, s, p0;
  };
  static constexpr std::array<const char*, 4> slot_names{"exp_avg", "exp_avg_sq", "s", "p0"};
  static unsigned slots(const Options& o) { return o.betas.first != 0 ? 15 : 14; }

  struct Memory {};
  static Memory restore(const Options&, std::int64_t) { return {}; }

  /// Of all parameters together.
  struct OptimizerMemory {
    double d = 0;                                 ///< of this step; 0: no step yet
    double d_max = 0;                             ///< largest estimate so far
    double numerator = 0;                         ///< r
    double beta1_product = 1, beta2_product = 1;  ///< of the betas of all steps
    double beta3 = 0, d0 = 0, correction = 1;     ///< of this step, by the first group's options
    constexpr void members(auto&& f) {
      f("d", d), f("d_max", d_max), f("numerator", numerator), f("beta1_product", beta1_product),
          f("beta2_product", beta2_product), f("beta3", beta3), f("d0", d0),
          f("correction", correction);
    }
  };
  /// From the sums of lr d^2 <g, p0 - p> and |s|.
  static constexpr int total_count = 2;
  AGMOHD_HD static void advance(const Options& o, const Now& now, const Totals<2>& sums,
                                OptimizerMemory& m) {
    m.beta3 = o.beta3 != 0 ? o.beta3 : std::sqrt(o.betas.second);
    m.d0 = o.d0;
    if (m.d == 0) {
      m.d = m.d_max = o.d0;
    } else {
      if (sums.of[1] == 0) return;  // no gradient but zeros: as if there had been no step
      m.numerator = m.beta3 * m.numerator + sums.of[0];
      const double found = o.d_coef * m.numerator / sums.of[1];
      if (m.d == o.d0 && found > m.d) m.d = found;
      if (found > m.d_max) m.d_max = found;
      const double most = o.growth_rate > 0 ? m.d * o.growth_rate : m.d_max;
      m.d = most < m.d_max ? most : m.d_max;
    }
    correct(o, now, m);
  }

  template <class R>
  struct Coefficients {
    R sign;                      ///< -1 with maximize
    R weight_decay;              ///< of p, where it joins the gradient
    R begins;                    ///< 1: p0 is p
    R beta1, beta2, beta3;       ///< decays of m, v, s
    R gain1, gain2;              ///< d (1 - b1), d^2 (1 - b2): of g in m, of g^2 in v
    R join;                      ///< of g in s
    R weight;                    ///< of <g, p0 - p>
    R counts;                    ///< of |s|: 0 where the rate is 0, else 1
    R mix_moment, mix_gradient;  ///< of m and g in the numerator; 1 and 0 but for Nesterov momentum
    R eps;                       ///< d eps
  };

  template <class R>
  AGMOHD_HD static Coefficients<R> at(const Options& o, const Now& now, Memory&,
                                      const OptimizerMemory& m) {
    const double b1 = now.blend.beta1, b2 = o.betas.second, look = now.blend.look, d = m.d;
    const double weight = d / m.d0 * now.lr;  // over d0: sums are not too small for float32
    const bool moves = now.lr != 0;
    return {R(o.maximize ? -1 : 1),
            R(o.decouple ? 0 : o.weight_decay),
            R(now.step == 1 ? 1 : 0),
            R(moves ? b1 : 1),
            R(moves ? b2 : 1),
            R(moves ? m.beta3 : 1),
            R(moves ? d * (1 - b1) : 0),
            R(moves ? d * d * (1 - b2) : 0),
            R(moves ? (o.safeguard_warmup ? d / m.d0 * d : weight) : 0),
            R(weight),
            R(moves ? 1 : 0),
            R(1 - look + look * b1),
            R(look * d * (1 - b1)),
            R(d * o.eps)};
  }

  template <Number T>
  AGMOHD_HD static void update(const T& p, const T& g, Slots<T>& s,
                               const Coefficients<Real<T>>& k) {
    const T h = decayed(p, g, k);
    if (k.begins != 0) s.p0 = p;
    s.exp_avg = k.beta1 * s.exp_avg + k.gain1 * h;
    s.exp_avg_sq = k.beta2 * s.exp_avg_sq + k.gain2 * (h * h);
    s.s = k.beta3 * s.s + k.join * h;
  }
  template <Number T>
  AGMOHD_HD static Addends<T, 2> totals(const T& p, const T& g, const Slots<T>& /*old*/,
                                        const Slots<T>& s, const Coefficients<Real<T>>& k) {
    return {{k.weight * (decayed(p, g, k) * (s.p0 - p)), k.counts * math::abs(s.s)}};
  }

  /// As Adam's: the last update in the metric of this step.
  template <class T>
  AGMOHD_HD static Slots<T> before(const Slots<T>& old, const Slots<T>& now) {
    return {old.exp_avg, now.exp_avg_sq, now.s, now.p0};
  }
};
static_assert(Rule<Prodigy> && has::totals<Prodigy>);

}  // namespace agmohd::rule
