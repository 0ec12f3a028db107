// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "../policy/field.hpp"
#include "../policy/name.hpp"
#include "constant.hpp"
#include "schedule.hpp"

namespace agmohd::schedule {

/// `scale` times the factor of schedule S.
template <class S = Constant>
struct Scale {
  static_assert(!has::schedule_memory<S>,
                "agmohd: the schedule inside Scale has a memory; write the Scale inside it");
  struct Options {
    double scale = 1;  ///< what each factor is multiplied with
    typename S::Options schedule{};
  };
  static constexpr auto fields =
      describe(field("scale", &Options::scale, at_least(0)), nested(&Options::schedule, S::fields));
  template <class Text = std::string>
  static Text name() {
    return agmohd::detail::name_of<Text, S>("Scale");
  }
  static void check(const Options& o) {
    if constexpr (requires { S::check(o.schedule); }) S::check(o.schedule);
  }
  static const char* needs(const Options& o, std::string_view name) {
    return agmohd::detail::needs<S>(o.schedule, name);
  }
  AGMOHD_HD static std::int64_t total_steps(const Options& o) {
    return agmohd::detail::total_steps<S>(o.schedule);
  }
  AGMOHD_HD static void begin_later(Options& o, std::int64_t steps) {
    agmohd::detail::begin_later<S>(o.schedule, steps);
  }
  AGMOHD_HD static void grow(Options& o, std::int64_t times) {
    agmohd::detail::grow<S>(o.schedule, times);
  }

  AGMOHD_HD static double factor(const Options& o, std::int64_t t) {
    return o.scale * S::factor(o.schedule, t);
  }
};
static_assert(Schedule<Scale<>>);

}  // namespace agmohd::schedule
