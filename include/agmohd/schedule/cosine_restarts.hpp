// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "../policy/field.hpp"
#include "../policy/number.hpp"
#include "cycle.hpp"
#include "schedule.hpp"

namespace agmohd::schedule {

/// Half a cosine from 1 to `min_factor`, again and again (Loshchilov & Hutter 2017, SGDR, equation
/// 5). With T_i steps in cycle i, s of which are over:
///   factor = min_factor + (1 - min_factor) (1 + cos(pi s / T_i)) / 2,   T_{i+1} = restart_mult T_i
/// torch.optim's CosineAnnealingWarmRestarts with T_0 = restart_steps, T_mult = restart_mult,
/// eta_min = min_factor * lr. A cycle's last step has s = T_i - 1, so no step has min_factor
/// itself.
struct CosineRestarts {
  struct Options {
    std::int64_t restart_steps = 0;  ///< steps of the first cycle
    std::int64_t restart_mult = 1;   ///< a cycle is longer than the one before by this factor
    double min_factor = 0;           ///< the factor that a cycle falls to
  };
  static constexpr auto fields =
      describe(field("restart_steps", &Options::restart_steps, at_least(1)),
               field("restart_mult", &Options::restart_mult, at_least(1)),
               field("min_factor", &Options::min_factor, between(0, 1)));
  static const char* name() { return "CosineRestarts"; }

  AGMOHD_HD static double factor(const Options& o, std::int64_t t) {
    const detail::Cycle cycle = detail::cycle_at(o.restart_steps, o.restart_mult, t);
    const double x = double(t - cycle.begin) / double(cycle.length);
    return o.min_factor + (1 - o.min_factor) * (0.5 + 0.5 * math::cos_pi(x));
  }
};
static_assert(Schedule<CosineRestarts>);

}  // namespace agmohd::schedule
