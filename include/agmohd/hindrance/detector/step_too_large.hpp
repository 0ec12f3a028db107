// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>
#include <cstdint>

#include "../statistics.hpp"
#include "detector.hpp"

namespace agmohd::hindrance {

/// Throttles a learning rate that jumps. agmohd's own.
///
/// The size of a step is (lr / mean of lr) times (RMS(u) / mean of RMS(u)), with the learning rate
/// of the parameter group and u over all tensors. If lr is above 1.5 times its mean and the size
/// above 3, the group's learning rate goes down so that the size is 2, but not below 1e-4 of
/// itself. Other groups keep theirs. A linear warm-up passes.
///
/// An update that grows at a constant learning rate is left to the rule's guard and to the clip: to
/// throttle it raised the largest loss in four of seven tasks without noise, where updates vary by
/// decades, 2 to 6 times (one seed each), and none of the faults that were tried needed it.
///
/// Allowance: a rise that lasts is turned into a short warm-up. While the loss is not high each
/// throttled step raises the allowance by a tenth, and so the size that passes. While LossSpike,
/// which is to stand before it in a Detect, finds the loss high, a step of a size above 3 takes a
/// tenth back and is `unstable`: momentum is to be lowered. After 100 such steps only one in 500
/// does that; the others raise the allowance, so that in the end any rate is accepted.
///
/// A detector that lowers the learning rate itself, as Plateau may, is to stand before it, too.
struct StepTooLarge {
  struct Options {};
  struct Rate {
    Size lr;              ///< the group's learning rate in applied steps, where it was above 0
    Allowance allowance;  ///< ln of the factor by which larger steps pass
    constexpr void members(auto&& f) { f("lr", lr), f("allowance", allowance); }
  };
  struct Memory {
    Size update;             ///< RMS(u)
    Rate first;              ///< of the first parameter group, which the verdict reports
    std::int64_t taken = 0;  ///< kCost for each step that took allowance back, minus 1 for others
    constexpr void members(auto&& f) { f("update", update), f("first", first), f("taken", taken); }
  };
  using TensorMemory = Rate;
  static constexpr auto fields = describe();
  static constexpr unsigned wants = kUpdate;
  static const char* name() { return "StepTooLarge"; }

  AGMOHD_HD static void examine(const Options&, const Signals& s, const Memory& m, Verdict& v) {
    if (m.update.acts() && measured(s)) v.growth = rms(s) / m.update.mean;
    const double ratio = size(s.lr * v.lr_factor, v, m.first);
    v.first_factor = factor(ratio, m.first);
    const bool high = (v.flags & Flag::loss_spike) != 0;
    if (v.first_factor < 1 || (ratio > kMost && high)) report(v, Flag::step_too_large, ratio, 2, 4);
    if (ratio > kMost && takes_back(v, m)) v.unstable = true;
    if (s.throttled > 0) v.flags |= Flag::step_too_large;  // another group, in the step before
  }
  AGMOHD_HD static void learn(const Options&, const Signals& s, const Verdict& v, Memory& m) {
    if (v.skip) return;
    if (measured(s)) m.update.learn(rms(s));
    const bool large = size(s.lr * v.lr_factor, v, m.first) > kMost || s.throttled > 0;
    const bool back = takes_back(v, m);
    move_on(s.lr * v.lr_factor, v, back, m.first);
    m.taken = large && back ? m.taken + kCost : m.taken > 0 ? m.taken - 1 : 0;
  }
  AGMOHD_HD static Verdict judge(const Options& o, const Signals& s, Memory& m) {
    return conclude<StepTooLarge>(o, s, m);
  }

  AGMOHD_HD static TensorVerdict judge_tensor(const Options&, const TensorSignals& s,
                                              const Verdict& v, const Memory& all,
                                              TensorMemory& m) {
    TensorVerdict out;
    out.lr_factor = move_on(s.lr * v.lr_factor, v, takes_back(v, all), m);
    if (out.lr_factor < 1) out.flags |= Flag::step_too_large;
    return out;
  }

 private:
  static constexpr double kJump = 1.5, kMost = 3, kRaise = 0.095;  // kRaise: ln 1.1
  static constexpr std::int64_t kCost = 500, kMostTaken = 100;

  /// Whether the last update has a size that can be learnt; one of zeros has none.
  AGMOHD_HD static bool measured(const Signals& s) {
    return s.updated > 0 && s.update2 > 0 && finite(s.update2);
  }
  AGMOHD_HD static double rms(const Signals& s) { return std::sqrt(s.update2 / s.updated); }

  /// The size of the step; 0 if it is not known, or the learning rate has not jumped.
  AGMOHD_HD static double size(double lr, const Verdict& v, const Rate& r) {
    return r.lr.acts() && lr > kJump * r.lr.mean ? lr / r.lr.mean * v.growth : 0;
  }
  /// What a step of this size multiplies the learning rate with.
  AGMOHD_HD static double factor(double size, const Rate& r) {
    if (!(size > kMost)) return 1;
    const double allowed = std::exp(r.allowance.value);
    return size > kMost * allowed ? std::fmax(2 * allowed / size, 1e-4) : 1;
  }
  /// Whether a large step takes allowance back. In the long run one in kCost steps may.
  AGMOHD_HD static bool takes_back(const Verdict& v, const Memory& m) {
    return (v.flags & Flag::loss_spike) != 0 && m.taken < kMostTaken * kCost;
  }
  /// Learns an applied step; returns its factor.
  AGMOHD_HD static double move_on(double lr, const Verdict& v, bool back, Rate& r) {
    const double ratio = size(lr, v, r), f = factor(ratio, r);
    if (ratio > kMost && back) {
      r.allowance.value = std::fmax(0.0, r.allowance.value - kRaise);
    } else if (f < 1) {
      r.allowance.raise(kRaise);
    } else {
      r.allowance.lower(kRaise);
    }
    if (lr > 0) r.lr.learn(lr * f);
    return f;
  }
};
static_assert(IsDetector<StepTooLarge> && Hindrance<StepTooLarge> &&
              has::judge_tensor<StepTooLarge>);

}  // namespace agmohd::hindrance
