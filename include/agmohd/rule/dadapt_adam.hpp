// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cmath>
#include <cstdint>

#include "../policy/field.hpp"
#include "distance_estimate.hpp"

namespace agmohd::rule {

/// D-Adaptation for Adam (Defazio & Mishchenko 2023, "Learning-rate-free learning by D-adaptation",
/// version of Adam): Adam whose rate is a lower bound d of the distance from the first parameters
/// to the solution; lr stays a factor. With sums over all tensors and b3 = sqrt(b2),
///   r <- b3 r + (1 - b3) lr d <g, s / (sqrt(v) + eps)>, with s and v from before the step,
///   m <- b1 m + (1 - b1) lr d g,  v <- b2 v + (1 - b2) g^2,  s <- b3 s + (1 - b3) lr d g,
///   p <- p - m / (sqrt(v) + eps),  then d <- max(d, r / ((1 - b3) |s|_1))
/// g is the gradient after the transforms. What concerns d (d0, growth_rate, b3, bias correction)
/// follows the options of the first group, in all groups. rule_memory() of the optimizer has d, and
/// Record::lr has lr d with the bias correction.
/// lr is in m: a change of it moves parameters as far as gradients join m after it, but where lr is
/// 0 the group stands still, and its m, v and s keep their values and count in no sum.
/// As in dadaptation 3.2, but groups may differ in lr: each weighs its part of the sums; and in the
/// package a group whose lr became 0 still moves by its last m. The package's layer_scale,
/// fsdp_in_use and log_every are left out. Its growth_rate of infinity is 0 here.
struct DAdaptAdam : DistanceEstimate {
  struct Options {
    Pair betas{0.9, 0.999};            ///< decays of the two moments
    double eps = 1e-8;                 ///< added to the root
    double weight_decay = 0;           ///< L2: weight_decay p is added to the gradient
    bool decouple = false;             ///< multiply p with 1 - lr d weight_decay instead
    bool use_bias_correction = false;  ///< Adam's, as a factor of d
    double d0 = 1e-6;                  ///< what d begins with
    double growth_rate = 0;            ///< of d in a step, at most, such as 1.02; 0: any
    bool maximize = false;             ///< ascend: the gradient is negated
  };
  static constexpr double default_lr = 1;
  static constexpr auto fields = describe(
      field("betas", &Options::betas, in(0, 1)), field("eps", &Options::eps, above(0)),
      field("weight_decay", &Options::weight_decay, at_least(0)),
      field("decouple", &Options::decouple),
      field("use_bias_correction", &Options::use_bias_correction),
      field("d0", &Options::d0, above(0)), field("growth_rate", &Options::growth_rate, at_least(0)),
      field("maximize", &Options::maximize));
  static const char* name() { return "DAdaptAdam"; }
  static constexpr bool squares = true;

  template <class T>
  struct Slots {
    T exp_avg, exp_avg_sq, s;
  };
  static constexpr std::array<const char*, 3> slot_names{"exp_avg", "exp_avg_sq", "s"};
  static unsigned slots(const Options&) { return 7; }

  struct Memory {};
  static Memory restore(const Options&, std::int64_t) { return {}; }

  /// Of all parameters together.
  struct OptimizerMemory {
    double d = 0;                                 ///< of this step; 0: no step yet
    double numerator = 0;                         ///< r
    double beta1_product = 1, beta2_product = 1;  ///< of the betas of all steps
    double beta3 = 0, correction = 1;             ///< of this step, by the first group's options
    constexpr void members(auto&& f) {
      f("d", d), f("numerator", numerator), f("beta1_product", beta1_product),
          f("beta2_product", beta2_product), f("beta3", beta3), f("correction", correction);
    }
  };
  /// From the sums of lr d <g, s / (sqrt(v) + eps)> and |s|.
  static constexpr int total_count = 2;
  AGMOHD_HD static void advance(const Options& o, const Now& now, const Totals<2>& sums,
                                OptimizerMemory& m) {
    const double b3 = m.beta3 = std::sqrt(o.betas.second);
    if (m.d == 0) {
      m.d = o.d0;
    } else {
      if (sums.of[1] == 0) return;  // no gradient but zeros: as if there had been no step
      m.numerator = b3 * m.numerator + (1 - b3) * sums.of[0];
      double found = m.numerator / ((1 - b3) * sums.of[1]);
      if (o.growth_rate > 0 && m.d * o.growth_rate < found) found = m.d * o.growth_rate;
      if (found > m.d) m.d = found;
    }
    correct(o, now, m);
  }

  template <class R>
  struct Coefficients {
    R sign;                      ///< -1 with maximize
    R weight_decay;              ///< of p, where it joins the gradient
    R beta1, beta2, beta3;       ///< decays of m, v, s
    R gain1, gain2, gain3;       ///< lr d (1 - b1), 1 - b2, lr d (1 - b3): of g in m, v, s
    R weight;                    ///< lr d, of <g, s / (sqrt(v) + eps)>
    R counts;                    ///< of |s|: 0 where the rate is 0, else 1
    R mix_moment, mix_gradient;  ///< of m and g in the numerator; 1 and 0 but for Nesterov momentum
    R eps;                       ///< added to the root
  };

  template <class R>
  AGMOHD_HD static Coefficients<R> at(const Options& o, const Now& now, Memory&,
                                      const OptimizerMemory& m) {
    const double b1 = now.blend.beta1, b2 = o.betas.second, look = now.blend.look;
    const bool moves = now.lr != 0;
    return {R(o.maximize ? -1 : 1),
            R(o.decouple ? 0 : o.weight_decay),
            R(moves ? b1 : 1),
            R(moves ? b2 : 1),
            R(moves ? m.beta3 : 1),
            R(now.lr * (1 - b1)),
            R(moves ? 1 - b2 : 0),
            R(now.lr * (1 - m.beta3)),
            R(now.lr),
            R(moves ? 1 : 0),
            R(1 - look + look * b1),
            R(look * now.lr * (1 - b1)),
            R(o.eps)};
  }

  template <Number T>
  AGMOHD_HD static void update(const T& p, const T& g, Slots<T>& s,
                               const Coefficients<Real<T>>& k) {
    const T h = decayed(p, g, k);
    s.exp_avg = k.beta1 * s.exp_avg + k.gain1 * h;
    s.exp_avg_sq = k.beta2 * s.exp_avg_sq + k.gain2 * (h * h);
    s.s = k.beta3 * s.s + k.gain3 * h;
  }
  template <Number T>
  AGMOHD_HD static T write(const T& p, const T& /*g*/, const T& u, Slots<T>& /*s*/,
                           const Coefficients<Real<T>>& /*k*/, Real<T> lr, Real<T> decay) {
    if (lr == 0) return decay * p;
    return decay * p - u;
  }
  template <Number T>
  AGMOHD_HD static Addends<T, 2> totals(const T& p, const T& g, const Slots<T>& old,
                                        const Slots<T>& s, const Coefficients<Real<T>>& k) {
    const T steered = old.s / (math::sqrt(old.exp_avg_sq) + math::like(g, k.eps));
    return {{k.weight * (decayed(p, g, k) * steered), k.counts * math::abs(s.s)}};
  }

  /// As Adam's: the last update in the metric of this step.
  template <class T>
  AGMOHD_HD static Slots<T> before(const Slots<T>& old, const Slots<T>& now) {
    return {old.exp_avg, now.exp_avg_sq, now.s};
  }
};
static_assert(Rule<DAdaptAdam> && has::totals<DAdaptAdam> && has::write<DAdaptAdam>);

}  // namespace agmohd::rule
