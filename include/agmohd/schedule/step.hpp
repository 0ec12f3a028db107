// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "../policy/field.hpp"
#include "../policy/number.hpp"
#include "schedule.hpp"

namespace agmohd::schedule {

/// Times `gamma` every `step_size` steps: torch.optim's StepLR.
struct Step {
  struct Options {
    std::int64_t step_size = 1000;  ///< steps from one drop to the next
    double gamma = 0.1;             ///< the factor is multiplied with it at each drop
  };
  static constexpr auto fields = describe(field("step_size", &Options::step_size, at_least(1)),
                                          field("gamma", &Options::gamma, between(0, 1)));
  static const char* name() { return "Step"; }

  /// The power by squaring, which has the same bits on host and device; std::pow may not.
  AGMOHD_HD static double factor(const Options& o, std::int64_t t) {
    double factor = 1, power = o.gamma;
    for (std::int64_t n = t / o.step_size; n > 0; n /= 2) {
      if (n % 2 == 1) factor *= power;
      power *= power;
    }
    return factor;
  }
};
static_assert(Schedule<Step>);

}  // namespace agmohd::schedule
