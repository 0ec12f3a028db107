// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "../policy/field.hpp"
#include "../policy/signals.hpp"
#include "momentum.hpp"

namespace agmohd::momentum {

/// Momentum between `min_momentum` and the rule's beta1, lower where a learning rate that jumped
/// makes the loss rise: from the third unstable step on, where 10 others make up for one, each
/// halves the distance to the lower one. Each other step takes 5 % off the distance to the upper
/// one, which is reached exactly after at most 135. Single events leave it alone; in the design
/// each hindered step counted, and lowered momentum in a third of all steps of healthy runs. A
/// beta1 below `min_momentum` stays.
///
/// Lower momentum alone would make an oscillation worse, since a rule with less momentum is stable
/// up to a smaller step only: Recipe lowers the learning rate with it, by the rule's `stable_step`.
/// Of a rule that has none the momentum stays.
struct Adaptive {
  struct Options {
    double min_momentum = 0.5;
  };
  struct Memory {
    double calm = 1;          ///< 0: min_momentum, 1: beta1
    std::int64_t strain = 0;  ///< 10 for an unstable step, less 1 for another
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
