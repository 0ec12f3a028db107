// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "../policy/field.hpp"
#include "../policy/number.hpp"
#include "schedule.hpp"

namespace agmohd::schedule {

/// Triangular cycles (Smith 2017, figure 2): from `min_factor` to 1 in the first half of
/// `cycle_steps`, and back in the second. torch.optim's CyclicLR with base_lr = min_factor * lr,
/// max_lr = lr.
struct Cyclical {
  struct Options {
    std::int64_t cycle_steps = 2000;  ///< steps from `min_factor` to 1 and back
    double min_factor = 0.1;          ///< the factor at the ends of a cycle
  };
  static constexpr auto fields = describe(field("cycle_steps", &Options::cycle_steps, at_least(2)),
                                          field("min_factor", &Options::min_factor, between(0, 1)));
  static const char* name() { return "Cyclical"; }

  AGMOHD_HD static double factor(const Options& o, std::int64_t t) {
    const double x = 2 * double(t % o.cycle_steps) / double(o.cycle_steps);
    return o.min_factor + (1 - o.min_factor) * (x < 1 ? x : 2 - x);
  }
};
static_assert(Schedule<Cyclical>);

}  // namespace agmohd::schedule
