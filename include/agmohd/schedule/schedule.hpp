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
}  // namespace has

/// A schedule: `factor(options, t)` multiplies every learning rate in the step after t applied
/// ones. Optional: a `Memory`, which `advance(options, signals, verdict, memory)` moves on in every
/// applied step, after that step's factor was taken, and which factor(options, t, memory) reads;
/// `wants`, what it needs of the signals.
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

template <class SchedulePolicy>
struct CheckSchedule {
  static_assert(has::Options<SchedulePolicy>, "agmohd: the schedule has no member type Options");
  static_assert(has::fields<SchedulePolicy>, "agmohd: the schedule has no static member fields");
  static_assert(has::name<SchedulePolicy>, "agmohd: the schedule has no static function name()");
  static_assert(has::factor<SchedulePolicy>,
                "agmohd: the schedule has no static function factor(options, t)");
  static_assert(
      agmohd::Schedule<SchedulePolicy>,
      "agmohd: an argument of Recipe is not a schedule; see agmohd/schedule/schedule.hpp");
  static constexpr bool passed = true;
};

}  // namespace detail

}  // namespace agmohd
