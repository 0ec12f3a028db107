// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "../policy/field.hpp"
#include "../policy/name.hpp"
#include "constant.hpp"
#include "cycle.hpp"
#include "exponential.hpp"
#include "schedule.hpp"

namespace agmohd::schedule {

/// Schedule S, begun anew after `restart_steps` steps, and then after `restart_mult` times as many
/// as before. S's `total_steps` grows with them, also inside Scale, Product, Sequence, whose
/// `milestones` grow as well, and Warmup, whose `warmup_steps` stay. A Restart inside keeps its
/// cycles, and has more of them. In cycle i the factor is S's times restart_decay^i. After
/// `restart_cycles` cycles it stays as S ends the last one. Restart<Cosine> is transformers'
/// get_cosine_with_hard_restarts_schedule_with_warmup after its warm-up, where num_cycles divides
/// the steps; and timm's CosineLRScheduler with cycle_mul, cycle_decay, cycle_limit = restart_mult,
/// restart_decay, restart_cycles and lr_min = 0. Another lr_min does not decay there; min_factor
/// does here.
template <class S = Constant>
struct Restart {
  static_assert(!has::schedule_memory<S>,
                "agmohd: the schedule inside Restart has a memory; write the Restart inside it");
  struct Options {
    std::int64_t restart_steps = 0;   ///< steps of the first cycle
    std::int64_t restart_mult = 1;    ///< a cycle is longer than the one before by this factor
    double restart_decay = 1;         ///< and its factors are this times those of the one before
    std::int64_t restart_cycles = 0;  ///< cycles in all; 0: no end
    typename S::Options schedule{};
  };
  static constexpr auto fields =
      describe(field("restart_steps", &Options::restart_steps, at_least(1)),
               field("restart_mult", &Options::restart_mult, at_least(1)),
               field("restart_decay", &Options::restart_decay, between(0, 1)),
               field("restart_cycles", &Options::restart_cycles, at_least(0)),
               nested(&Options::schedule, S::fields));
  template <class Text = std::string>
  static Text name() {
    return agmohd::detail::name_of<Text, S>("Restart");
  }
  static void check(const Options& o) {
    if constexpr (requires { S::check(o.schedule); }) S::check(o.schedule);
  }
  static const char* needs(const Options& o, std::string_view name) {
    return agmohd::detail::needs<S>(o.schedule, name);
  }

  AGMOHD_HD static double factor(const Options& o, std::int64_t t) {
    const detail::Cycle cycle =
        detail::cycle_at(o.restart_steps, o.restart_mult, t, o.restart_cycles);
    typename S::Options inner = o.schedule;
    agmohd::detail::grow<S>(inner, cycle.length / o.restart_steps);
    const double factor = S::factor(inner, t - cycle.begin);
    if (o.restart_decay == 1) return factor;
    const Exponential::Options decay{o.restart_decay, 1};
    return factor * Exponential::factor(decay, cycle.index);
  }
};
static_assert(Schedule<Restart<>>);

}  // namespace agmohd::schedule
