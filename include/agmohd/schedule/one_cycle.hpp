// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "../policy/field.hpp"
#include "../policy/number.hpp"
#include "schedule.hpp"

namespace agmohd::schedule {

enum class Anneal : std::int64_t { cos, linear };

/// One cycle (Smith & Topin 2019): from 1 / div_factor up to 1, then down to 1 / (div_factor
/// final_div_factor), where it stays. torch.optim's OneCycleLR with max_lr = lr; its cycle of the
/// momentum is momentum::Cycle. As there, the factor is 1 at step pct_start total_steps - 1, which
/// need not be a whole number; with a pct_start of 1 it stays there. With `three_phase` it falls to
/// 1 / div_factor until step 2 pct_start total_steps - 2, and from there to the end. The last
/// factor is that of step total_steps - 1; PyTorch goes on for one more step, and then throws.
struct OneCycle {
  struct Options {
    std::int64_t total_steps = 0;  ///< steps of the cycle
    double pct_start =
        0.3;  ///< part of them in which the factor rises; at most 0.5 with three_phase
    double div_factor = 25;                ///< 1 over the first factor
    double final_div_factor = 1e4;         ///< the first factor over the last
    Anneal anneal_strategy = Anneal::cos;  ///< by half a cosine, or by a line
    bool three_phase = false;              ///< fall as steeply as it rose, then further
  };
  static constexpr auto fields =
      describe(field("total_steps", &Options::total_steps, at_least(1)),
               field("pct_start", &Options::pct_start, between(0, 1)),
               field("div_factor", &Options::div_factor, at_least(1)),
               field("final_div_factor", &Options::final_div_factor, at_least(1)),
               field("anneal_strategy", &Options::anneal_strategy, choices("cos", "linear")),
               field("three_phase", &Options::three_phase));
  static const char* name() { return "OneCycle"; }
  static void check(const Options& o) {
    if (o.three_phase && o.pct_start > 0.5) {
      refuse("pct_start = ", o.pct_start,
             " with three_phase, but it must be at most 0.5: the fall "
             "takes as many steps as the rise");
    }
  }

  AGMOHD_HD static double factor(const Options& o, std::int64_t t) {
    const double last = double(o.total_steps) - 1, s = double(t) < last ? double(t) : last;
    const double top = o.pct_start * double(o.total_steps) - 1;
    const double low = 1 / o.div_factor, end = low / o.final_div_factor;
    if (s <= top) return anneal(o, low, 1, s, 0, top);
    if (!o.three_phase) return anneal(o, 1, end, s, top, last);
    const double fallen = 2 * o.pct_start * double(o.total_steps) - 2;
    if (s <= fallen) return anneal(o, 1, low, s, top, fallen);
    return anneal(o, low, end, s, fallen, last);
  }
  /// Rises and falls with the factor; 0 from where it is 1 / div_factor again.
  AGMOHD_HD static double cycle(const Options& o, std::int64_t t) {
    const double last = double(o.total_steps) - 1, s = double(t) < last ? double(t) : last;
    const double top = o.pct_start * double(o.total_steps) - 1;
    if (s <= top) return anneal(o, 0, 1, s, 0, top);
    const double fallen = o.three_phase ? 2 * o.pct_start * double(o.total_steps) - 2 : last;
    return anneal(o, 1, 0, s, top, fallen);
  }

 private:
  /// From a at step `from` to b at step `to`.
  AGMOHD_HD static double anneal(const Options& o, double a, double b, double s, double from,
                                 double to) {
    if (s >= to) return b;
    if (s <= from) return a;
    const double x = (s - from) / (to - from);
    if (o.anneal_strategy == Anneal::linear) return a + (b - a) * x;
    return b + (a - b) * (0.5 + 0.5 * math::cos_pi(x));
  }
};
static_assert(Schedule<OneCycle> && has::cycle<OneCycle>);

}  // namespace agmohd::schedule
