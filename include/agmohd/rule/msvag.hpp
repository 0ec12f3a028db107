// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cmath>
#include <cstdint>

#include "../policy/field.hpp"
#include "rule.hpp"

namespace agmohd::rule {

/// M-SVAG (Balles & Hennig 2018, "Dissecting Adam: the sign, magnitude and variance of stochastic
/// gradients", algorithm 1): momentum SGD whose elements shrink where they stand in their own
/// noise,
///   m <- b m + (1 - b) g,  v <- b v + (1 - b) g^2,
///   n = rho / (1 - rho) (v^ - m^^2),  p <- (1 - lr weight_decay) p - lr m^ m^^2 / (m^^2 + n)
/// m^ and v^ are m and v over 1 - b^t; n estimates the variance of m^. rho is the sum of squares of
/// the weights that gradients have in m^, (1 - b) (1 + b^t) / ((1 + b) (1 - b^t)).
///
/// The step is as large as SGD's, not Adam's. In the first step v^ is m^^2, and n counts as 0: the
/// authors' code bounds rho by 0.999 and pytorch-optimizer's by 0.9999, which multiplies the
/// rounding of v^ - m^^2 by a thousand and ten thousand. Neither has a weight decay.
/// momentum::Nesterov changes nothing.
struct MSVAG {
  struct Options {
    double beta = 0.9;        ///< decay of m and v
    double weight_decay = 0;  ///< decoupled: p is multiplied with 1 - lr weight_decay
    bool maximize = false;    ///< ascend: the gradient is negated
  };
  static constexpr double default_lr = 1e-2;
  static constexpr auto fields =
      describe(field("beta", &Options::beta, in(0, 1)),
               field("weight_decay", &Options::weight_decay, at_least(0)),
               field("maximize", &Options::maximize));
  static const char* name() { return "MSVAG"; }
  static constexpr bool squares = true;

  template <class T>
  struct Slots {
    T exp_avg, exp_avg_sq;
  };
  static constexpr std::array<const char*, 2> slot_names{"exp_avg", "exp_avg_sq"};
  static unsigned slots(const Options&) { return 3; }

  /// A beta may change from step to step.
  struct Memory {
    double unseen = 1;   ///< the product of the betas of all steps so far
    double squares = 0;  ///< sum of squares of the weights that gradients have in m
    constexpr void members(auto&& f) { f("unseen", unseen), f("squares", squares); }
  };
  static Memory restore(const Options& o, std::int64_t step) {
    const double unseen = std::pow(o.beta, double(step));
    return {unseen, (1 - o.beta) / (1 + o.beta) * (1 - unseen * unseen)};
  }

  template <class R>
  struct Coefficients {
    R sign;   ///< -1 with maximize
    R gain;   ///< 1 - b: weight of the new gradient in m and v
    R root;   ///< 1 / sqrt(1 - b^t), so that (root m)^2 is to v as m^^2 to v^
    R noise;  ///< rho / (1 - rho)
    R scale;  ///< 1 / (1 - b^t)
  };

  AGMOHD_HD static double beta1(const Options& o) { return o.beta; }
  /// What the parameter is multiplied with in a step.
  AGMOHD_HD static double decay(const Options& o, double lr) { return 1 - lr * o.weight_decay; }

  template <class R>
  AGMOHD_HD static Coefficients<R> at(const Options& o, const Now& now, Memory& m) {
    const double b = now.blend.beta1, gain = 1 - b;
    m.unseen *= b;
    m.squares = b * b * m.squares + gain * gain;
    const double seen = 1 - m.unseen, rho = m.squares / (seen * seen);
    return {R(o.maximize ? -1 : 1), R(gain), R(1 / std::sqrt(seen)),
            R(rho < 1 ? rho / (1 - rho) : 0), R(1 / seen)};
  }

  template <Number T>
  AGMOHD_HD static void update(const T& /*p*/, const T& g, Slots<T>& s,
                               const Coefficients<Real<T>>& k) {
    const T h = k.sign * g;
    s.exp_avg = s.exp_avg + k.gain * (h - s.exp_avg);
    s.exp_avg_sq = s.exp_avg_sq + k.gain * (h * h - s.exp_avg_sq);
  }
  template <Number T>
  AGMOHD_HD static T direction(const T& /*p*/, const T& /*g*/, const Slots<T>& s,
                               const Coefficients<Real<T>>& k) {
    const T zero = math::like(s.exp_avg, Real<T>(0)), mean = k.root * s.exp_avg;
    const T mean2 = mean * mean;
    const T sum = mean2 + k.noise * math::max(T(s.exp_avg_sq - mean2), zero);
    const T part = math::select(sum > zero, T(mean2 / sum), zero);  // 0 where m and v are 0
    return k.scale * s.exp_avg * part;
  }
};
static_assert(Rule<MSVAG>);

}  // namespace agmohd::rule
