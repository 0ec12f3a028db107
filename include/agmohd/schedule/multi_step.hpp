// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "../policy/field.hpp"
#include "../policy/list.hpp"
#include "../policy/number.hpp"
#include "schedule.hpp"

namespace agmohd::schedule {

/// Times `gamma` at each milestone, from that step on: torch.optim's MultiStepLR. In any order; one
/// that stands there twice counts twice.
struct MultiStep {
  struct Options {
    List<std::int64_t, 16> milestones{};  ///< the steps of the drops
    double gamma = 0.1;                   ///< the factor is multiplied with it at each drop
  };
  static constexpr auto fields = describe(field("milestones", &Options::milestones, at_least(0)),
                                          field("gamma", &Options::gamma, between(0, 1)));
  static const char* name() { return "MultiStep"; }

  AGMOHD_HD static double factor(const Options& o, std::int64_t t) {
    double factor = 1;
    for (std::int64_t i = 0; i < o.milestones.count(); ++i) {
      if (t >= o.milestones.values[i]) factor *= o.gamma;
    }
    return factor;
  }
};
static_assert(Schedule<MultiStep>);

}  // namespace agmohd::schedule
