// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "../core/concepts.hpp"
#include "../core/fields.hpp"
#include "../core/signals.hpp"

namespace agmohd::momentum {

/// Momentum between `min_momentum` and the rule's beta1: each hindered step halves the distance to
/// the lower one, each calm step takes 5 % off the distance to the upper one, which is reached
/// exactly after at most 135 calm steps. A beta1 below `min_momentum` stays.
struct Adaptive {
  struct Options {
    double min_momentum = 0.5;
  };
  struct Memory {
    double calm = 1;  ///< 0: min_momentum, 1: beta1
  };
  static constexpr auto fields = describe(field("min_momentum", &Options::min_momentum, in(0, 1)));
  static constexpr bool needs_first_moment = true;
  static std::string name() { return "Adaptive"; }

  AGMOHD_HD static void advance(const Options&, const Verdict& v, Memory& m) {
    if (v.hindered) {
      m.calm *= 0.5;
    } else {
      m.calm = m.calm > 0.999 ? 1 : m.calm + 0.05 * (1 - m.calm);
    }
  }
  AGMOHD_HD static Blend blend(const Options& o, const Memory& m, double beta1) {
    const double low = o.min_momentum;
    return {m.calm == 1 || beta1 <= low ? beta1 : low + (beta1 - low) * m.calm, 0};
  }
};
static_assert(Momentum<Adaptive>);

}  // namespace agmohd::momentum
