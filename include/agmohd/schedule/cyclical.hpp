// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "../policy/field.hpp"
#include "../policy/number.hpp"
#include "exponential.hpp"
#include "schedule.hpp"

namespace agmohd::schedule {

enum class CycleMode : std::int64_t { triangular, triangular2, exp_range };

/// Triangular cycles (Smith 2017, figure 2): from `min_factor` to 1 in the first half of
/// `cycle_steps`, or in `up_steps`, and back in the rest. The height of the triangles is
///   triangular    1 - min_factor
///   triangular2   half of that of the cycle before
///   exp_range     (1 - min_factor) cycle_gamma^t
/// torch.optim's CyclicLR with base_lr = min_factor * lr, max_lr = lr, step_size_up = up_steps,
/// mode = cycle_mode, gamma = cycle_gamma; its cycle of the momentum is momentum::Cycle.
struct Cyclical {
  struct Options {
    std::int64_t cycle_steps = 2000;  ///< steps from `min_factor` to 1 and back
    double min_factor = 0.1;          ///< the factor at the ends of a cycle
    std::int64_t up_steps = 0;        ///< steps of them in which it rises; 0: half of them
    CycleMode cycle_mode = CycleMode::triangular;  ///< what becomes of the height
    double cycle_gamma = 1;                        ///< of `exp_range`: the height's, each step
  };
  static constexpr auto fields = describe(
      field("cycle_steps", &Options::cycle_steps, at_least(2)),
      field("min_factor", &Options::min_factor, between(0, 1)),
      field("up_steps", &Options::up_steps, at_least(0)),
      field("cycle_mode", &Options::cycle_mode, choices("triangular", "triangular2", "exp_range")),
      field("cycle_gamma", &Options::cycle_gamma, between(0, 1)));
  static const char* name() { return "Cyclical"; }
  static void check(const Options& o) {
    if (o.up_steps >= o.cycle_steps) {
      refuse("up_steps = ", o.up_steps, ", but it must be less than cycle_steps = ", o.cycle_steps);
    }
  }
  static const char* needs(const Options& o, std::string_view name) {
    const bool idle = name == "cycle_gamma" && o.cycle_mode != CycleMode::exp_range;
    return idle ? "cycle_mode = exp_range" : nullptr;
  }

  AGMOHD_HD static double factor(const Options& o, std::int64_t t) {
    const std::int64_t s = t % o.cycle_steps;
    double x = 2 * double(s) / double(o.cycle_steps);
    if (x >= 1) x = 2 - x;
    if (o.up_steps > 0) {
      x = s < o.up_steps ? double(s) / double(o.up_steps)
                         : double(o.cycle_steps - s) / double(o.cycle_steps - o.up_steps);
    }
    double height = 1 - o.min_factor;
    if (o.cycle_mode == CycleMode::triangular2) {
      const std::int64_t cycle = t / o.cycle_steps;
      height *= cycle < 1000 ? __builtin_bit_cast(double, std::uint64_t(1023 - cycle) << 52) : 0;
    }
    if (o.cycle_mode == CycleMode::exp_range) {
      height *= Exponential::factor({o.cycle_gamma, 1}, t);
    }
    return o.min_factor + height * x;
  }
  /// The same from 0 to 1.
  AGMOHD_HD static double cycle(Options o, std::int64_t t) {
    o.min_factor = 0;
    return factor(o, t);
  }
};
static_assert(Schedule<Cyclical> && has::cycle<Cyclical>);

}  // namespace agmohd::schedule
