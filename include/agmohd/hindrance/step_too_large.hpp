// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>

#include "kind.hpp"
#include "statistics.hpp"

namespace agmohd::hindrance {

/// A step lr * RMS(u) above 3 times its mean: the learning rate goes down so that it is twice the
/// mean, to 1e-4 of itself at the least. (The design acted from twice the mean on: 76 of 35 900
/// healthy steps were above that, none above 3.) RMS(u) is the last applied step's, so a learning
/// rate that jumps is met in its first step, and an update that grows by itself one step later. A
/// linear warm-up passes, and a step that stays large is accepted as the mean grows. A kind that
/// lowers the learning rate for good, as Plateau may, must stand before it in a Detectors. A jump
/// of the learning rate is seen in the first parameter group; while that one's is 0, the sizes
/// alone count.
struct StepTooLarge {
  struct Options {};
  struct Memory {
    Size step;      ///< lr * RMS(u)
    double lr = 0;  ///< of the last applied step
    constexpr void members(auto&& f) { f("step", step), f("lr", lr); }
  };
  static constexpr auto fields = describe();
  static constexpr unsigned wants = kUpdate;
  static const char* name() { return "StepTooLarge"; }

  AGMOHD_HD static void examine(const Options&, const Signals& s, const Memory& m, Verdict& v) {
    if (!m.step.acts() || !measured(s)) return;
    const double lr = s.lr * v.lr_factor;
    const double ratio = (lr > 0 && m.lr > 0 ? lr / m.lr : 1) * last_step(s) / m.step.mean;
    if (!(ratio > 3)) return;
    report(v, Flag::step_too_large, ratio, 2, 4);
    v.lr_factor *= std::fmax(2 / ratio, 1e-4);
  }
  AGMOHD_HD static void learn(const Options&, const Signals& s, const Verdict& v, Memory& m) {
    if (v.skip) return;
    if (measured(s)) m.step.learn(last_step(s));
    m.lr = s.lr * v.lr_factor;
  }
  AGMOHD_HD static Verdict judge(const Options& o, const Signals& s, Memory& m) {
    return conclude<StepTooLarge>(o, s, m);
  }

 private:
  /// A step of size zero (a learning rate of zero) says nothing about sizes.
  AGMOHD_HD static bool measured(const Signals& s) {
    return s.updated > 0 && s.update2 > 0 && finite(s.update2);
  }
  AGMOHD_HD static double last_step(const Signals& s) { return std::sqrt(s.update2 / s.updated); }
};
static_assert(Kind<StepTooLarge> && Hindrance<StepTooLarge>);

}  // namespace agmohd::hindrance
