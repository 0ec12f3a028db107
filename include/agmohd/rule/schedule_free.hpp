// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>
#include <cstdint>

#include "../policy/check.hpp"
#include "../policy/power.hpp"
#include "../policy/signals.hpp"

namespace agmohd::rule {

/// What the schedule-free rules share (Defazio et al. 2024, "The road less scheduled", algorithm
/// 1). z takes the steps, x is their average, and gradients are taken at y between them:
///   y = (1 - b1) z + b1 x,  z <- z - lr u,  x <- (1 - c) x + c z
/// The parameter is y, z is a slot, and x is not stored: wrap::Evaluation brings the parameters to
/// it. So y <- (1 - c) y + c z - lr (1 - b1 (1 - c)) u, with z from before the step. The average is
/// weighted as in the authors' package schedulefree: step k counts with
///   w = k^r lr_max^weight_lr_power,  c = w / (the sum of w so far),
/// lr_max being the largest rate so far, where the paper has lr^2. k counts the updates of the
/// tensor; the package counts those of its group. Its `warmup_steps` are schedule::Warmup's here.
/// b1 is no momentum that policies may lower: x would be lost.
struct ScheduleFree {
  /// The rates enter as ratios, so that a state without a memory needs to know none.
  struct Averaging {
    double weight_sum = 0;  ///< sum of w, over the power of lr_max in w
    double lr_max = 0;      ///< 0: no rate so far, or not known
    constexpr void members(auto&& f) { f("weight_sum", weight_sum), f("lr_max", lr_max); }
  };

  template <class R>
  struct Coefficients {
    R begins;  ///< 1: z begins as the parameter
    R share;   ///< c
    R follow;  ///< 1 - b1 (1 - c): how much of z's step y takes at once
  };

  /// @param rate    lr of z's step
  /// @param before  what it was at most in the steps before, if lr had been what it is now
  template <class R, class O>
  AGMOHD_HD static Coefficients<R> average(const O& o, double b1, std::int64_t step, double rate,
                                           double before, Averaging& m) {
    const bool begins = m.weight_sum == 0;
    const double old = begins ? 0 : m.lr_max > 0 ? m.lr_max : before;
    m.lr_max = rate > old ? rate : old;
    if (m.lr_max > old) m.weight_sum *= power(old / m.lr_max, o.weight_lr_power);
    const double w = m.lr_max > 0 || o.weight_lr_power == 0 ? power(double(step), o.r) : 0;
    m.weight_sum += w;
    const double share = w > 0 ? w / m.weight_sum : 0;
    return {R(begins ? 1 : 0), R(share), R(1 - b1 * (1 - share))};
  }
  /// The same after `step` steps with one rate, which grew as growth(k), 0 to 1, if at all.
  template <class O, class Growth>
  static Averaging averaged(const O& o, std::int64_t step, const Growth& growth) {
    Averaging m;
    double largest = 0;
    for (std::int64_t k = 1; k <= step; ++k) {
      const double now = growth(k);
      if (now > largest) {
        m.weight_sum *= power(largest / now, o.weight_lr_power);
        largest = now;
      }
      if (largest > 0 || o.weight_lr_power == 0) m.weight_sum += power(double(k), o.r);
    }
    return m;
  }

  /// z before the step.
  template <Number T>
  AGMOHD_HD static T from(const T& p, const T& z, const Coefficients<Real<T>>& k) {
    return math::select(math::like(p, k.begins) > math::like(p, Real<T>(0)), p, z);
  }
  /// The new parameter; z moves on.
  template <Number T, class S, class K>
  AGMOHD_HD static T write(const T& p, const T& /*g*/, const T& u, S& s, const K& k, Real<T> lr,
                           Real<T> /*decay*/) {
    const T step = lr * u;
    const T y = p + k.average.share * (s.z - p) - k.average.follow * step;
    s.z = s.z - step;
    return y;
  }

  template <class O>
  static void check(const O& o, const char* name, double b1) {
    if (!(b1 > 0)) refuse(name, " = ", b1, ", but it must be greater than 0");
    if (o.evaluating) {
      refuse(
          "evaluating = true: the parameters are the averages; go back to training first, by "
          "wrap::train or by the end of wrap::Evaluation");
    }
  }

 private:
  /// x^a, with 0^0 = 1.
  AGMOHD_HD static double power(double x, double a) {
    if (a == 0 || x == 1) return 1;
    return x > 1e-300 ? math::pow(x, a) : 0;
  }
};

}  // namespace agmohd::rule
