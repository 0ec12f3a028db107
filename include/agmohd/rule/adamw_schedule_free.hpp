// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>
#include <cstdint>

#include "../policy/field.hpp"
#include "rule.hpp"
#include "schedule_free_moment.hpp"

namespace agmohd::rule {

/// Schedule-free AdamW (Defazio et al. 2024, "The road less scheduled", algorithm 1), with the y, z
/// and x of ScheduleFree; the parameter is y:
///   v <- b2 v + (1 - b2) g^2,  u = g / (sqrt(v / (1 - b2^t)) + eps) + weight_decay y,
///   z <- z - lr u,  x <- (1 - c) x + c z,  y = (1 - b1) z + b1 x
/// v is divided by 1 - b2^t as in the authors' package and pytorch-optimizer; the paper's algorithm
/// 1 multiplies lr with the root of that, which differs by eps and in c. optax adds the decay of
/// the optimizer that it wraps. Rates are one to ten times those of AdamW with a schedule, constant
/// after a schedule::Warmup.
struct AdamWScheduleFree : ScheduleFreeMoment {
  struct Options {
    Pair betas{0.9, 0.999};      ///< weight of the average x in y, above 0; decay of v
    double eps = 1e-8;           ///< added to the root
    double weight_decay = 0;     ///< weight_decay p is added to the normalised gradient
    double r = 0;                ///< the average weighs step k with k^r
    double weight_lr_power = 2;  ///< and with this power of the largest rate so far
    bool maximize = false;       ///< ascend: the gradient is negated
    bool evaluating = false;     ///< the parameters are x, by wrap::Evaluation: no steps
  };
  static constexpr double default_lr = 2.5e-3;
  static constexpr auto fields =
      describe(field("betas", &Options::betas, in(0, 1)), field("eps", &Options::eps, at_least(0)),
               field("weight_decay", &Options::weight_decay, at_least(0)),
               field("r", &Options::r, at_least(0)),
               field("weight_lr_power", &Options::weight_lr_power, at_least(0)),
               field("maximize", &Options::maximize), field("evaluating", &Options::evaluating));
  static const char* name() { return "AdamWScheduleFree"; }
  static void check(const Options& o) { ScheduleFree::check(o, "betas[0]", o.betas.first); }

  static double interpolation(const Options& o) { return o.betas.first; }

  static Memory restore(const Options& o, std::int64_t step) {
    return {std::pow(o.betas.second, double(step)),
            averaged(o, step, [](std::int64_t) { return 1.0; })};
  }

  template <class R>
  struct Coefficients {
    R sign;          ///< -1 with maximize
    R weight_decay;  ///< of p, where it joins u
    R beta2, gain2;  ///< decay of v; weight of the new g^2: 1 - b2
    R scale2;        ///< bias correction of the root: 1 / sqrt(1 - b2^t)
    R eps;           ///< added to the corrected root
    ScheduleFree::Coefficients<R> average;
  };

  template <class R>
  AGMOHD_HD static Coefficients<R> at(const Options& o, const Now& now, Memory& m) {
    const double b2 = o.betas.second;
    m.beta2_product *= b2;
    return {R(o.maximize ? -1 : 1),
            R(o.weight_decay),
            R(b2),
            R(1 - b2),
            R(1 / std::sqrt(1 - m.beta2_product)),
            R(o.eps),
            ScheduleFree::average<R>(o, o.betas.first, now.step, now.lr, now.lr, m.average)};
  }

  template <Number T>
  AGMOHD_HD static T direction(const T& p, const T& g, const Slots<T>& s,
                               const Coefficients<Real<T>>& k) {
    return k.sign * g / (k.scale2 * math::sqrt(s.exp_avg_sq) + math::like(g, k.eps)) +
           k.weight_decay * p;
  }
};
static_assert(Rule<AdamWScheduleFree> && has::write<AdamWScheduleFree>);

}  // namespace agmohd::rule
