// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "../policy/field.hpp"
#include "../policy/power.hpp"
#include "schedule.hpp"

namespace agmohd::schedule {

/// factor = gamma^(t / decay_steps), within (2 + |ln(factor)|) 1e-15 of itself: torch.optim's
/// ExponentialLR, where decay_steps is 1; optax's exponential_decay, whose transition_steps is
/// decay_steps. PyTorch multiplies step by step, so that its rounding errors add up: after t steps
/// it is up to t 1.2e-16 of the factor away.
struct Exponential {
  struct Options {
    double gamma = 0.999;          ///< the factor after `decay_steps` steps
    std::int64_t decay_steps = 1;  ///< steps in which the factor is multiplied with gamma
  };
  static constexpr auto fields = describe(field("gamma", &Options::gamma, between(0, 1)),
                                          field("decay_steps", &Options::decay_steps, at_least(1)));
  static const char* name() { return "Exponential"; }

  AGMOHD_HD static double factor(const Options& o, std::int64_t t) {
    if (!(o.gamma > 0)) return t == 0 ? 1 : 0;
    return math::pow(o.gamma, double(t) / double(o.decay_steps));
  }
};
static_assert(Schedule<Exponential>);

}  // namespace agmohd::schedule
