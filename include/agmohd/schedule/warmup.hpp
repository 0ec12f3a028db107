// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "../policy/field.hpp"
#include "../policy/name.hpp"
#include "constant.hpp"
#include "schedule.hpp"

namespace agmohd::schedule {

/// A linear warm-up in front of schedule S: for t < warmup_steps the factor is (t + 1) /
/// warmup_steps times S's first one, then S's at t - warmup_steps. If S has a `total_steps`, the
/// warm-up is part of it: S gets total_steps - warmup_steps.
template <class S = Constant>
struct Warmup {
  static_assert(!has::schedule_memory<S>,
                "agmohd: the schedule inside Warmup has a memory; write the Warmup inside it");
  struct Options {
    std::int64_t warmup_steps = 0;  ///< steps of the warm-up, below S's `total_steps` if it has one
    typename S::Options after{};
  };
  static constexpr auto fields =
      describe(field("warmup_steps", &Options::warmup_steps, at_least(0)),
               nested(&Options::after, S::fields));
  template <class Text = std::string>
  static Text name() {
    return agmohd::detail::name_of<Text, S>("Warmup");
  }

  static void check(const Options& o) {
    if constexpr (requires { S::check(o.after); }) S::check(o.after);
    if constexpr (has_total) {
      if (uses_total(o) && o.warmup_steps >= o.after.total_steps) {
        refuse("warmup_steps = ", o.warmup_steps,
               ", but it must be less than total_steps = ", o.after.total_steps,
               ", which includes the warm-up");
      }
    }
  }

  static const char* needs(const Options& o, std::string_view name) {
    return name == "warmup_steps" ? nullptr : agmohd::detail::needs<S>(o.after, name);
  }

  AGMOHD_HD static double factor(const Options& o, std::int64_t t) {
    typename S::Options after = o.after;
    if constexpr (has_total) after.total_steps -= uses_total(o) ? o.warmup_steps : 0;
    if (t >= o.warmup_steps) return S::factor(after, t - o.warmup_steps);
    return double(t + 1) / double(o.warmup_steps) * S::factor(after, 0);
  }

 private:
  static constexpr bool has_total = requires(typename S::Options o) { o.total_steps; };
  AGMOHD_HD static bool uses_total(const Options& o) {
    if constexpr (requires { S::uses_total(o.after); }) return S::uses_total(o.after);
    return has_total;
  }
};
static_assert(Schedule<Warmup<>>);

}  // namespace agmohd::schedule
