// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "../policy/field.hpp"
#include "schedule.hpp"

namespace agmohd::schedule {

/// The learning rate as the options say; what an LRScheduler of torch or the program itself changes
/// stays in force.
struct Constant {
  struct Options {};
  static constexpr auto fields = describe();
  static const char* name() { return "Constant"; }

  AGMOHD_HD static double factor(const Options&, std::int64_t) { return 1; }
};
static_assert(Schedule<Constant>);

}  // namespace agmohd::schedule
