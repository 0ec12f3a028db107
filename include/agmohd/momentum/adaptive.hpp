// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "../policy/field.hpp"
#include "../policy/signals.hpp"
#include "momentum.hpp"

namespace agmohd::momentum {

/// Momentum between `min_momentum` and the rule's beta1, lower while steps are unstable
/// (Verdict::unstable: a learning rate that jumped makes the loss rise). agmohd's own.
/// - From the third unstable step on each one halves the distance to `min_momentum`. Ten other
/// steps
///   cancel one unstable step in this count, so single events change nothing.
/// - Every other step takes 5 % off the distance to beta1, which is reached exactly after at most
/// 135. A beta1 below `min_momentum` stays.
///
/// A rule with less momentum is stable only up to a smaller learning rate, so lower momentum by
/// itself could make an oscillation worse. The step therefore lowers the learning rate too, by the
/// rule's `stable_step`; the momentum of a rule that has none is left alone.
struct Adaptive {
  struct Options {
    double min_momentum = 0.5;  ///< beta1 is not lowered below it
  };
  struct Memory {
    double calm = 1;          ///< where momentum is: 0 at min_momentum, 1 at beta1
    std::int64_t strain = 0;  ///< plus 10 in an unstable step, minus 1 in another; 0 to 30
    constexpr void members(auto&& f) { f("calm", calm), f("strain", strain); }
  };
  static constexpr auto fields = describe(field("min_momentum", &Options::min_momentum, in(0, 1)));
  static constexpr bool needs_first_moment = true;
  static const char* name() { return "Adaptive"; }

  AGMOHD_HD static void advance(const Options&, const Verdict& v, Memory& m) {
    m.strain += v.unstable ? 10 : -1;
    m.strain = m.strain < 0 ? 0 : m.strain > kMost ? kMost : m.strain;
    if (!v.unstable) {
      m.calm = m.calm > 0.999 ? 1 : m.calm + 0.05 * (1 - m.calm);
    } else if (m.strain > kLasting) {
      m.calm *= 0.5;
    }
  }
  AGMOHD_HD static Blend blend(const Options& o, const Memory& m, double beta1) {
    const double low = o.min_momentum;
    return {m.calm == 1 || beta1 <= low ? beta1 : low + (beta1 - low) * m.calm, 0};
  }

 private:
  static constexpr std::int64_t kLasting = 20, kMost = 30;
};
static_assert(Momentum<Adaptive>);

}  // namespace agmohd::momentum
