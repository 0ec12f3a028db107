// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "../policy/field.hpp"
#include "../policy/signals.hpp"
#include "momentum.hpp"

namespace agmohd::momentum {

/// Momentum that falls from `max_momentum` to `base_momentum` while the learning rate rises, and
/// back (Smith & Topin 2019): cycle_momentum of torch.optim's OneCycleLR and CyclicLR, by the
/// recipe's schedule::OneCycle or Cyclical. The defaults are OneCycleLR's; CyclicLR's are 0.8 and
/// 0.9. It takes the place of the momentum in the rule's
/// options, which is betas[0] in those of Adam. A rule's momentum of 0 stays 0. Where base_momentum
/// is above max_momentum it rises with the rate.
/// PyTorch's Adam corrects the bias by the beta1 of the step alone; ours by the product of all so
/// far, which is right where beta1 changes.
struct Cycle {
  struct Options {
    double base_momentum = 0.85;  ///< where the learning rate is largest
    double max_momentum = 0.95;   ///< where the cycle begins
  };
  struct Memory {};
  static constexpr auto fields = describe(field("base_momentum", &Options::base_momentum, in(0, 1)),
                                          field("max_momentum", &Options::max_momentum, in(0, 1)));
  static constexpr bool needs_first_moment = true;
  static const char* name() { return "Cycle"; }

  AGMOHD_HD static void advance(const Options&, const Verdict&, Memory&) {}
  /// `cycle`: of the schedule, 0 to 1.
  AGMOHD_HD static Blend blend(const Options& o, const Memory&, double beta1, double cycle) {
    if (beta1 == 0) return {0, 0};
    return {o.max_momentum - (o.max_momentum - o.base_momentum) * cycle, 0};
  }
};
static_assert(Momentum<Cycle>);

}  // namespace agmohd::momentum
