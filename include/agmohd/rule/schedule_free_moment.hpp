// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>

#include "schedule_free.hpp"

namespace agmohd::rule {

/// What the schedule-free rules with a second moment share beside ScheduleFree:
///   v <- b2 v + (1 - b2) g^2
struct ScheduleFreeMoment : ScheduleFree {
  static constexpr bool squares = true;

  template <class T>
  struct Slots {
    T z, exp_avg_sq;
  };
  static constexpr std::array<const char*, 2> slot_names{"z", "exp_avg_sq"};
  static unsigned slots(const auto& /*options*/) { return 3; }

  struct Memory {
    double beta2_product = 1;  ///< of all steps so far, in the place of b2^t
    Averaging average{};
    constexpr void members(auto&& f) { f("beta2_product", beta2_product), average.members(f); }
  };

  template <Number T>
  AGMOHD_HD static void update(const T& p, const T& g, Slots<T>& s, const auto& k) {
    s.z = from(p, s.z, k.average);
    s.exp_avg_sq = k.beta2 * s.exp_avg_sq + k.gain2 * (g * g);
  }
};

}  // namespace agmohd::rule
