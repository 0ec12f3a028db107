// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "../policy/name.hpp"
#include "constant.hpp"
#include "schedule.hpp"
#include "sequence.hpp"

namespace agmohd::schedule {

/// A schedule for each parameter group: torch.optim's LambdaLR with one function a group. Schedule
/// i is for group i, the last one also for all groups behind it, also for those that are added
/// later. Every group counts the optimizer's applied steps. Records, and hindrance policies where
/// they judge the step as a whole, see the rate of the first group; judge_tensor() sees that of the
/// tensor's own. It stands around other schedules, not inside them. Options of the same name are
/// set by policy, as in Sequence.
template <class... S>
struct ByGroup : detail::OfSchedules<S...> {
  static_assert(sizeof...(S) >= 2, "agmohd: ByGroup is of two schedules or more");
  using typename detail::OfSchedules<S...>::Options;
  using typename detail::OfSchedules<S...>::Schedules;
  static constexpr int named_groups = sizeof...(S);
  template <class Text = std::string>
  static Text name() {
    return agmohd::detail::name_of<Text, S...>("ByGroup");
  }

  AGMOHD_HD static double group_factor(const Options& o, std::int64_t t, std::int64_t group) {
    constexpr std::int64_t last = sizeof...(S) - 1;
    return Schedules::factor(o.schedules, group < last ? group : last, t);
  }
  /// Of the first group.
  AGMOHD_HD static double factor(const Options& o, std::int64_t t) { return group_factor(o, t, 0); }
};
static_assert(Schedule<ByGroup<Constant, Constant>> &&
              has::group_factor<ByGroup<Constant, Constant>>);

}  // namespace agmohd::schedule
