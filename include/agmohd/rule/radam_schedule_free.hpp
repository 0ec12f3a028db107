// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>
#include <cstdint>

#include "../policy/field.hpp"
#include "rule.hpp"
#include "schedule_free_moment.hpp"

namespace agmohd::rule {

/// Schedule-free RAdam (Defazio et al. 2024, whose package schedulefree adds it; rectified as by
/// Liu et al. 2020), with the y, z and x of ScheduleFree; the parameter is y:
///   v <- b2 v + (1 - b2) g^2,  u = q (g / (sqrt(v / (1 - b2^t)) + eps) + weight_decay y),
///   z <- z - lr u,  x <- (1 - c) x + c z,  y = (1 - b1) z + b1 x,
///   q^2 = (rho_t - 4) (rho_t - 2) rho / ((rho - 4) (rho - 2) rho_t),
///   rho = 2 / (1 - b2) - 1,  rho_t = rho - 2 t b2^t / (1 - b2^t)
/// The rate in the weights of the average is q lr. While rho_t <= 4 (rule::RAdam: 5) there is no
/// step, or with silent_sgd_phase = false one along g + weight_decay y, for which pytorch-optimizer
/// 4.1.0 has a rate of 1, whatever lr is. It needs no warm-up. rho_t stays below rho: with
/// b2 <= 0.6 there would never be a step, and check() refuses that.
struct RAdamScheduleFree : ScheduleFreeMoment {
  struct Options {
    Pair betas{0.9, 0.999};        ///< weight of the average x in y, above 0; decay of v
    double eps = 1e-8;             ///< added to the root
    double weight_decay = 0;       ///< weight_decay p is added to the normalised gradient
    double r = 0;                  ///< the average weighs step k with k^r
    double weight_lr_power = 2;    ///< and with this power of the largest rate so far
    bool silent_sgd_phase = true;  ///< no steps while the variance of v is not known
    bool maximize = false;         ///< ascend: the gradient is negated
    bool evaluating = false;       ///< the parameters are x, by wrap::Evaluation: no steps
  };
  static constexpr double default_lr = 2.5e-3;
  static constexpr auto fields =
      describe(field("betas", &Options::betas, in(0, 1)), field("eps", &Options::eps, at_least(0)),
               field("weight_decay", &Options::weight_decay, at_least(0)),
               field("r", &Options::r, at_least(0)),
               field("weight_lr_power", &Options::weight_lr_power, at_least(0)),
               field("silent_sgd_phase", &Options::silent_sgd_phase),
               field("maximize", &Options::maximize), field("evaluating", &Options::evaluating));
  static const char* name() { return "RAdamScheduleFree"; }
  static void check(const Options& o) {
    ScheduleFree::check(o, "betas[0]", o.betas.first);
    if (o.silent_sgd_phase && !(2 / (1 - o.betas.second) - 1 > 4)) {
      refuse("betas[1] = ", o.betas.second,
             ", but it must be greater than 0.6: below, the variance of v is never known, and with "
             "silent_sgd_phase there is no step");
    }
  }

  static double interpolation(const Options& o) { return o.betas.first; }

  static Memory restore(const Options& o, std::int64_t step) {
    double product = 1;
    const Averaging average = averaged(o, step, [&](std::int64_t k) {
      product *= o.betas.second;
      return factor(o, k, product);
    });
    return {product, average};
  }

  template <class R>
  struct Coefficients {
    R sign;          ///< -1 with maximize
    R weight_decay;  ///< of p, where it joins u
    R beta2, gain2;  ///< decay of v; weight of the new g^2: 1 - b2
    R scale2;        ///< bias correction of the root: 1 / sqrt(1 - b2^t)
    R eps;           ///< added to the corrected root
    R factor;        ///< q; of u in the phase before 0 or 1
    R rectified;     ///< 0: g is not divided by the root
    ScheduleFree::Coefficients<R> average;
  };

  template <class R>
  AGMOHD_HD static Coefficients<R> at(const Options& o, const Now& now, Memory& m) {
    const double b2 = o.betas.second;
    const bool phased = !o.silent_sgd_phase;  // then the largest factor is that of the first phase
    const double before = now.step == 1 ? 0 : phased ? 1 : factor(o, now.step - 1, m.beta2_product);
    m.beta2_product *= b2;
    const double q = factor(o, now.step, m.beta2_product);
    return {R(o.maximize ? -1 : 1),
            R(o.weight_decay),
            R(b2),
            R(1 - b2),
            R(1 / std::sqrt(1 - m.beta2_product)),
            R(o.eps),
            R(q),
            R(length(o, now.step, m.beta2_product) > 4 ? 1 : 0),
            ScheduleFree::average<R>(o, o.betas.first, now.step, q * now.lr, before * now.lr,
                                     m.average)};
  }

  template <Number T>
  AGMOHD_HD static T direction(const T& p, const T& g, const Slots<T>& s,
                               const Coefficients<Real<T>>& k) {
    const T h = k.sign * g;
    if (k.rectified == 0) return k.factor * (h + k.weight_decay * p);
    return k.factor *
           (h / (k.scale2 * math::sqrt(s.exp_avg_sq) + math::like(g, k.eps)) + k.weight_decay * p);
  }

 private:
  /// rho_t: how many gradients v averages.
  AGMOHD_HD static double length(const Options& o, std::int64_t step, double beta2_product) {
    return 2 / (1 - o.betas.second) - 1 - 2 * double(step) * beta2_product / (1 - beta2_product);
  }
  AGMOHD_HD static double factor(const Options& o, std::int64_t step, double beta2_product) {
    const double rho = 2 / (1 - o.betas.second) - 1, rho_t = length(o, step, beta2_product);
    if (!(rho_t > 4)) return o.silent_sgd_phase ? 0 : 1;
    return std::sqrt((rho_t - 4) * (rho_t - 2) * rho / ((rho - 4) * (rho - 2) * rho_t));
  }
};
static_assert(Rule<RAdamScheduleFree> && has::write<RAdamScheduleFree>);

}  // namespace agmohd::rule
