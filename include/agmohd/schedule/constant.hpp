// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "../policy/field.hpp"
#include "schedule.hpp"

namespace agmohd::schedule {

/// The factor 1: the learning rate is what the options say, also where the program or one of
/// torch's LRSchedulers changes them.
struct Constant {
  struct Options {};
  static constexpr auto fields = describe();
  static const char* name() { return "Constant"; }

  AGMOHD_HD static double factor(const Options&, std::int64_t) { return 1; }
};
static_assert(Schedule<Constant>);

}  // namespace agmohd::schedule
