// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "../policy/field.hpp"
#include "curve.hpp"
#include "schedule.hpp"
#include "warmup.hpp"

namespace agmohd::schedule {

/// The factor 1, then a decay to `min_factor` in `decay_steps` steps, which ends at `total_steps`
/// (Hu et al. 2024, MiniCPM; the decay 1 - sqrt(x) is that of Haegele et al. 2024). With x = (t -
/// begin) / decay_steps from 0 to 1:
///   linear           min_factor + (1 - min_factor) (1 - x)
///   cosine           min_factor + (1 - min_factor) (1 + cos(pi x)) / 2
///   exponential      min_factor^x
///   one_minus_sqrt   min_factor + (1 - min_factor) (1 - sqrt(x))
/// transformers' get_wsd_schedule with num_decay_steps = decay_steps, min_lr_ratio = min_factor.
///
/// The end need not be known: without `total_steps` there is none until `decay_start` is set, also
/// in the course of a training: optimizer.options().set<"decay_start">(optimizer.updates()).
struct StableDecay {
  struct Options {
    std::int64_t total_steps = 0;       ///< steps to the end of the decay; 0: not known yet
    std::int64_t decay_steps = 0;       ///< steps of the decay
    std::int64_t decay_start = -1;      ///< its first step; -1: total_steps - decay_steps
    Curve decay_curve = Curve::linear;  ///< its shape; exponential needs a min_factor above 0
    double min_factor = 0;              ///< the factor at its end
  };
  static constexpr auto fields =
      describe(field("total_steps", &Options::total_steps, at_least(0)),
               field("decay_steps", &Options::decay_steps, at_least(1)),
               field("decay_start", &Options::decay_start, at_least(-1)),
               field("decay_curve", &Options::decay_curve,
                     choices("linear", "constant", "cosine", "exponential", "one_minus_sqrt")),
               field("min_factor", &Options::min_factor, between(0, 1)));
  static const char* name() { return "StableDecay"; }
  static void check(const Options& o) {
    if (o.decay_start < 0 && o.total_steps > 0 && o.decay_steps > o.total_steps) {
      refuse("decay_steps = ", o.decay_steps,
             ", but it must be at most total_steps = ", o.total_steps, " after the warm-up");
    }
    if (o.decay_curve == Curve::exponential && o.min_factor == 0) {
      refuse("decay_curve = exponential with min_factor = 0, but it needs one above 0");
    }
  }
  static const char* needs(const Options& o, std::string_view name) {
    return name == "total_steps" && o.decay_start >= 0 ? "decay_start = -1" : nullptr;
  }
  AGMOHD_HD static bool uses_total(const Options& o) {
    return o.decay_start < 0 && o.total_steps > 0;
  }
  AGMOHD_HD static void begin_later(Options& o, std::int64_t steps) {
    if (uses_total(o)) o.total_steps -= steps;
    if (o.decay_start >= 0) o.decay_start = o.decay_start > steps ? o.decay_start - steps : 0;
  }

  AGMOHD_HD static double factor(const Options& o, std::int64_t t) {
    const std::int64_t begin = o.decay_start < 0 ? o.total_steps - o.decay_steps : o.decay_start;
    const bool endless = o.decay_start < 0 && o.total_steps == 0;
    if (endless || t <= begin) return 1;
    if (t - begin >= o.decay_steps) return o.min_factor;
    const double x = double(t - begin) / double(o.decay_steps);
    return detail::between(o.decay_curve, o.min_factor, 1 - x, x);
  }
};
static_assert(Schedule<StableDecay>);

/// Warm-up, stable phase, decay: WSD. With linear curves, a trapezoid.
using WarmupStableDecay = Warmup<StableDecay>;
using Trapezoid = WarmupStableDecay;

}  // namespace agmohd::schedule
