// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "cosine.hpp"
#include "cyclical.hpp"
#include "step.hpp"

namespace agmohd::schedule {

enum class Shape : std::int64_t { cyclical, cosine, step, none };

/// A schedule that is chosen at run time, Cyclical, Cosine, Step or a constant, after a linear
/// warm-up as Warmup has it.
struct Choice {
  struct Options {
    Shape lr_schedule = Shape::none;  ///< which schedule
    std::int64_t total_steps = 0;  ///< steps of `cosine`, the warm-up included; it needs 1 or more
    double min_factor = 0.1;       ///< least factor of `cosine` and `cyclical`
    std::int64_t cycle_steps = 2000;  ///< steps of a cycle of `cyclical`
    std::int64_t step_size = 1000;    ///< steps from one drop of `step` to the next
    double gamma = 0.1;               ///< the factor changes by this at each drop of `step`
    std::int64_t warmup_steps = 0;    ///< steps of the warm-up; with `cosine` below total_steps
  };
  static constexpr auto fields = describe(
      field("lr_schedule", &Options::lr_schedule, choices("cyclical", "cosine", "step", "none")),
      field("total_steps", &Options::total_steps, at_least(0)),
      field("min_factor", &Options::min_factor, between(0, 1)),
      field("cycle_steps", &Options::cycle_steps, at_least(2)),
      field("step_size", &Options::step_size, at_least(1)),
      field("gamma", &Options::gamma, between(0, 1)),
      field("warmup_steps", &Options::warmup_steps, at_least(0)));
  static const char* name() { return "Choice"; }
  AGMOHD_HD static bool uses_total(const Options& o) { return o.lr_schedule == Shape::cosine; }
  static void check(const Options& o) {
    if (uses_total(o) && o.total_steps == 0) {
      refuse(
          "lr_schedule = cosine with total_steps = 0, but it needs a total_steps of at least 1: it "
          "must be given (0 = not given)");
    }
    if (uses_total(o) && o.warmup_steps >= o.total_steps) {
      refuse("warmup_steps = ", o.warmup_steps,
             ", but it must be less than total_steps = ", o.total_steps,
             ", which includes the warm-up");
    }
  }
  static const char* needs(const Options& o, std::string_view name) {
    const Shape shape = o.lr_schedule;
    if (name == "total_steps" && shape != Shape::cosine) return "lr_schedule = cosine";
    if (name == "cycle_steps" && shape != Shape::cyclical) return "lr_schedule = cyclical";
    if (name == "min_factor" && shape != Shape::cosine && shape != Shape::cyclical) {
      return "lr_schedule = cosine or cyclical";
    }
    const bool of_step = name == "step_size" || name == "gamma";
    return of_step && shape != Shape::step ? "lr_schedule = step" : nullptr;
  }

  AGMOHD_HD static double factor(const Options& o, std::int64_t t) {
    if (t >= o.warmup_steps) return of_shape(o, t - o.warmup_steps);
    return double(t + 1) / double(o.warmup_steps) * of_shape(o, 0);
  }

 private:
  /// The factor t steps after the warm-up.
  AGMOHD_HD static double of_shape(const Options& o, std::int64_t t) {
    switch (o.lr_schedule) {
      case Shape::cyclical:
        return Cyclical::factor({o.cycle_steps, o.min_factor}, t);
      case Shape::cosine:
        return Cosine::factor({o.total_steps - o.warmup_steps, o.min_factor}, t);
      case Shape::step:
        return Step::factor({o.step_size, o.gamma}, t);
      default:
        return 1;
    }
  }
};
static_assert(Schedule<Choice>);

}  // namespace agmohd::schedule
