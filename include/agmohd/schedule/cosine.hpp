// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "../policy/field.hpp"
#include "../policy/number.hpp"
#include "schedule.hpp"

namespace agmohd::schedule {

/// Half a cosine from 1 to `min_factor` in `total_steps` steps, then constant (Loshchilov & Hutter
/// 2017, SGDR, equation 5 without restarts): torch.optim's CosineAnnealingLR with T_max =
/// total_steps, eta_min = min_factor * lr.
struct Cosine {
  struct Options {
    std::int64_t total_steps = 0;  ///< steps from 1 to `min_factor`, where it stays
    double min_factor = 0;         ///< the factor from then on
  };
  static constexpr auto fields = describe(field("total_steps", &Options::total_steps, at_least(1)),
                                          field("min_factor", &Options::min_factor, between(0, 1)));
  static const char* name() { return "Cosine"; }

  AGMOHD_HD static double factor(const Options& o, std::int64_t t) {
    if (t >= o.total_steps) return o.min_factor;
    const double x = double(t) / double(o.total_steps);
    return o.min_factor + (1 - o.min_factor) * (0.5 + 0.5 * math::cos_pi(x));
  }
};
static_assert(Schedule<Cosine>);

}  // namespace agmohd::schedule
