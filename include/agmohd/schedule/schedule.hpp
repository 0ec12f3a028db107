// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <concepts>
#include <cstdint>

#include "../policy/policy.hpp"

namespace agmohd {

namespace has {
template <class S>
concept factor = requires(typename S::Options o) {
  { S::factor(o, std::int64_t{}) } -> std::same_as<double>;
};
template <class S>
concept schedule_memory = Memory<S> && requires(typename S::Options o, const Signals& s,
                                                const Verdict& v, typename S::Memory& memory) {
  S::advance(o, s, v, memory);
  { S::factor(o, std::int64_t{}, memory) } -> std::same_as<double>;
};
template <class S>
concept group_factor = requires(typename S::Options o) {
  { S::group_factor(o, std::int64_t{}, std::int64_t{}) } -> std::same_as<double>;
};
template <class S>
concept cycle = requires(typename S::Options o) {
  { S::cycle(o, std::int64_t{}) } -> std::same_as<double>;
};
}  // namespace has

/// A schedule: `factor(options, t)` multiplies every learning rate in the step after t applied
/// ones. Optional: a `Memory`, which `advance(options, signals, verdict, memory)` moves on in every
/// applied step, after that step's factor was taken, and which factor(options, t, memory) reads;
/// `wants`, what it needs of the signals; `group_factor(options, t, group)`, the factor of one
/// parameter group, where factor(options, t) is that of the first; `cycle(options, t)`, where a
/// momentum that falls as the rate rises is between its largest (0) and its smallest value (1).
template <class S>
concept Schedule = Policy<S> && has::factor<S>;

namespace detail {

/// What a schedule asks to be measured: its optional member `wants`.
template <class S>
constexpr unsigned schedule_wants() {
  if constexpr (has::wants<S>) return S::wants;
  return kNothing;
}

template <class S>
struct ScheduleMemory {
  using type = NoMemory;
};
template <has::schedule_memory S>
struct ScheduleMemory<S> {
  using type = typename S::Memory;
};

/// Whether a schedule stands around one with a `group_factor`, whose `factor` it would take for all
/// groups.
template <class S>
inline constexpr bool around_groups = false;
template <template <class...> class Around, class... S>
inline constexpr bool around_groups<Around<S...>> = ((has::group_factor<S> || around_groups<S>) ||
                                                     ...);
/// Of the step after t others, in one parameter group.
template <class S>
AGMOHD_HD double factor_of_group(const typename S::Options& o, std::int64_t t, std::int64_t group) {
  if constexpr (has::group_factor<S>) {
    return S::group_factor(o, t, group);
  } else {
    return S::factor(o, t);
  }
}

/// The steps after which S stays at its last factor, by its option `total_steps`; 0: it has no such
/// option, or does not use it.
template <class S>
AGMOHD_HD std::int64_t total_steps(const typename S::Options& o) {
  if constexpr (requires { S::total_steps(o); }) {
    return S::total_steps(o);
  } else if constexpr (requires { o.total_steps; }) {
    if constexpr (requires { S::uses_total(o); }) return S::uses_total(o) ? o.total_steps : 0;
    return o.total_steps;
  } else {
    return 0;
  }
}
/// Changes S's options to those of an S that begins `steps` later and ends at the same time.
template <class S>
AGMOHD_HD void begin_later(typename S::Options& o, std::int64_t steps) {
  if constexpr (requires { S::begin_later(o, steps); }) {
    S::begin_later(o, steps);
  } else if constexpr (requires { o.total_steps; }) {
    if (total_steps<S>(o) != 0) o.total_steps -= steps;
  }
}

/// steps times `times`, at most INT64_MAX.
AGMOHD_HD inline std::int64_t multiplied(std::int64_t steps, std::int64_t times) {
  return steps > INT64_MAX / times ? INT64_MAX : steps * times;
}
/// Changes S's options to those of an S that lasts `times` as long, by its option `total_steps`. A
/// schedule around others has a `grow(options, times)` of its own.
template <class S>
AGMOHD_HD void grow(typename S::Options& o, std::int64_t times) {
  if constexpr (requires { S::grow(o, times); }) {
    S::grow(o, times);
  } else if constexpr (requires { o.total_steps; }) {
    o.total_steps = multiplied(o.total_steps, times);
  }
}

template <class SchedulePolicy>
struct CheckSchedule {
  static_assert(has::Options<SchedulePolicy>, "agmohd: the schedule has no member type Options");
  static_assert(has::fields<SchedulePolicy>, "agmohd: the schedule has no static member fields");
  static_assert(has::name<SchedulePolicy>, "agmohd: the schedule has no static function name()");
  static_assert(has::factor<SchedulePolicy>,
                "agmohd: the schedule has no static function factor(options, t)");
  static_assert(!around_groups<SchedulePolicy>,
                "agmohd: schedule::ByGroup stands inside another schedule, which would take its "
                "first one for all groups; write the others inside ByGroup");
  static_assert(
      agmohd::Schedule<SchedulePolicy>,
      "agmohd: an argument of Recipe is not a schedule; see agmohd/schedule/schedule.hpp");
  static constexpr bool passed = true;
};

}  // namespace detail

}  // namespace agmohd
