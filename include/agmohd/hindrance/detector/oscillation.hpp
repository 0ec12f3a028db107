// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>
#include <cstdint>

#include "../statistics.hpp"
#include "detector.hpp"

namespace agmohd::hindrance {

/// Reports steps that undo each other: for 50 applied steps the mean of <g_t, u_{t-1}> is below
/// -1/4 of the mean of <g_t, u_t>, and the mean loss, if there are losses, does not fall. agmohd's
/// own. That <g_t, u_{t-1}> is negative would not be enough: at the best learning rate it mostly
/// is.
///
/// u_{t-1} is made from the rule's state; for Adam it is the old first moment over this step's
/// root, so that both products have one metric. A rule without a first moment, such as SGD without
/// momentum, has no u_{t-1}, and nothing is seen.
///
/// It only reports. Lowering momentum and learning rate in answer repaired nothing in tests, and
/// cost up to 2 % of the loss where gradients were accumulated or the rate restarted.
struct Oscillation {
  struct Options {};
  struct Memory {
    Size scale;                            ///< of the sum of the products' magnitudes
    double along_previous = 0, along = 0;  ///< exponential means of the two products
    Spread loss;
    double loss_before = 0;  ///< mean loss when the run began
    std::int64_t run = 0;    ///< oscillating steps in a row
    constexpr void members(auto&& f) {
      f("scale", scale), f("along_previous", along_previous), f("along", along), f("loss", loss),
          f("loss_before", loss_before), f("run", run);
    }
  };
  static constexpr auto fields = describe();
  static constexpr unsigned wants = kAlignment | kLoss;
  static const char* name() { return "Oscillation"; }

  AGMOHD_HD static void examine(const Options&, const Signals& s, const Memory& m, Verdict& v) {
    if (m.run < 50 || (s.has_loss && m.loss.mean < m.loss_before)) return;
    if (m.along_previous < -kNotice * m.along) v.flags |= Flag::oscillation;
  }

  AGMOHD_HD static void learn(const Options&, const Signals& s, const Verdict& v, Memory& m) {
    if (v.skip) return;
    // Of a new level of the loss nothing is known from the losses before.
    if ((v.flags & Flag::accepted) != 0) m.run = 0;
    if (s.has_loss && finite(s.loss)) m.loss.learn(s.loss, loss_sigma(m.loss));
    const double size = std::fabs(s.along_previous) + std::fabs(s.along);
    if (!finite(size) || size == 0) return;
    const double weight = (1 - detail::kDecay) * (m.scale.capped(size) / size);
    m.scale.learn(size);
    m.along_previous = detail::kDecay * m.along_previous + weight * s.along_previous;
    m.along = detail::kDecay * m.along + weight * s.along;
    if (m.along <= 0 || m.along_previous >= -kNotice * m.along) {
      m.run = 0;
      return;
    }
    if (m.run == 0) m.loss_before = m.loss.mean;
    m.run += 1;
  }

  AGMOHD_HD static Verdict judge(const Options& o, const Signals& s, Memory& m) {
    return conclude<Oscillation>(o, s, m);
  }

 private:
  static constexpr double kNotice = 0.25;  ///< part of <g_t, u_t> that is undone
};
static_assert(IsDetector<Oscillation> && Hindrance<Oscillation>);

}  // namespace agmohd::hindrance
