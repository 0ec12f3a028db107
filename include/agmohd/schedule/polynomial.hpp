// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "../policy/field.hpp"
#include "../policy/power.hpp"
#include "schedule.hpp"

namespace agmohd::schedule {

/// factor = min_factor + (1 - min_factor) (1 - t / total_steps)^power, then min_factor.
/// torch.optim's PolynomialLR, whose total_iters is total_steps and which falls to 0; transformers'
/// get_polynomial_decay_schedule_with_warmup after its warm-up, with lr_end = min_factor * lr.
/// Within 3e-15 of it; exact for a power of 1.
struct Polynomial {
  struct Options {
    std::int64_t total_steps = 0;  ///< steps from 1 to `min_factor`, where it stays
    double power = 1;              ///< of what remains; 1: a line
    double min_factor = 0;         ///< the factor from `total_steps` on
  };
  static constexpr auto fields = describe(field("total_steps", &Options::total_steps, at_least(1)),
                                          field("power", &Options::power, above(0)),
                                          field("min_factor", &Options::min_factor, between(0, 1)));
  static const char* name() { return "Polynomial"; }

  AGMOHD_HD static double factor(const Options& o, std::int64_t t) {
    if (t >= o.total_steps) return o.min_factor;
    const double rest = 1 - double(t) / double(o.total_steps);
    return o.min_factor + (1 - o.min_factor) * (o.power == 1 ? rest : math::pow(rest, o.power));
  }
};
static_assert(Schedule<Polynomial>);

}  // namespace agmohd::schedule
