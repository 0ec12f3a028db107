// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>

#include "../policy/field.hpp"
#include "l2_decay.hpp"
#include "rule.hpp"
#include "schedule_free.hpp"

namespace agmohd::rule {

/// Schedule-free SGD (Defazio et al. 2024, "The road less scheduled", algorithm 1), with the y, z
/// and x of ScheduleFree and `momentum` as its b1; the parameter is y:
///   u = g + weight_decay y,  z <- z - lr u,  x <- (1 - c) x + c z,  y = (1 - b1) z + b1 x
/// Rates are ten times those of SGD with momentum and more. The rate is constant, after a
/// schedule::Warmup.
struct SGDScheduleFree : ScheduleFree {
  struct Options {
    double momentum = 0.9;       ///< weight of the average x in y, above 0
    double weight_decay = 0;     ///< weight_decay p is added to the gradient
    double r = 0;                ///< the average weighs step k with k^r
    double weight_lr_power = 2;  ///< and with this power of the largest rate so far
    bool maximize = false;       ///< ascend: the gradient is negated
    bool evaluating = false;     ///< the parameters are x, by wrap::Evaluation: no steps
  };
  static constexpr double default_lr = 1;
  static constexpr auto fields =
      describe(field("momentum", &Options::momentum, in(0, 1)),
               field("weight_decay", &Options::weight_decay, at_least(0)),
               field("r", &Options::r, at_least(0)),
               field("weight_lr_power", &Options::weight_lr_power, at_least(0)),
               field("maximize", &Options::maximize), field("evaluating", &Options::evaluating));
  static const char* name() { return "SGDScheduleFree"; }
  static void check(const Options& o) { ScheduleFree::check(o, "momentum", o.momentum); }

  template <class T>
  struct Slots {
    T z;
  };
  static constexpr std::array<const char*, 1> slot_names{"z"};
  static unsigned slots(const Options&) { return 1; }
  static double interpolation(const Options& o) { return o.momentum; }

  using Memory = Averaging;
  static Memory restore(const Options& o, std::int64_t step) {
    return averaged(o, step, [](std::int64_t) { return 1.0; });
  }

  template <class R>
  struct Coefficients {
    R sign;          ///< -1 with maximize
    R weight_decay;  ///< of p, where it joins the gradient
    ScheduleFree::Coefficients<R> average;
  };

  template <class R>
  AGMOHD_HD static Coefficients<R> at(const Options& o, const Now& now, Memory& m) {
    return {R(o.maximize ? -1 : 1), R(o.weight_decay),
            ScheduleFree::average<R>(o, o.momentum, now.step, now.lr, now.lr, m)};
  }

  template <Number T>
  AGMOHD_HD static void update(const T& p, const T& /*g*/, Slots<T>& s,
                               const Coefficients<Real<T>>& k) {
    s.z = from(p, s.z, k.average);
  }
  template <Number T>
  AGMOHD_HD static T direction(const T& p, const T& g, const Slots<T>& /*s*/,
                               const Coefficients<Real<T>>& k) {
    return decayed(p, g, k);
  }
};
static_assert(Rule<SGDScheduleFree> && has::write<SGDScheduleFree>);

}  // namespace agmohd::rule
