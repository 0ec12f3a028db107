// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "../policy/field.hpp"
#include "schedule.hpp"

namespace agmohd::schedule {

/// From `start_factor` to `end_factor` in `total_steps` equal steps, then constant: torch.optim's
/// LinearLR, whose total_iters is total_steps. The defaults decay to zero.
struct Linear {
  struct Options {
    std::int64_t total_steps = 0;  ///< steps from start to end, where it stays
    double start_factor = 1;       ///< the factor of the first step
    double end_factor = 0;         ///< the factor from `total_steps` on
  };
  static constexpr auto fields =
      describe(field("total_steps", &Options::total_steps, at_least(1)),
               field("start_factor", &Options::start_factor, between(0, 1)),
               field("end_factor", &Options::end_factor, between(0, 1)));
  static const char* name() { return "Linear"; }

  AGMOHD_HD static double factor(const Options& o, std::int64_t t) {
    const double x = t < o.total_steps ? double(t) / double(o.total_steps) : 1;
    return o.start_factor + (o.end_factor - o.start_factor) * x;
  }
};
static_assert(Schedule<Linear>);

}  // namespace agmohd::schedule
