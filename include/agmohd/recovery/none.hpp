// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "../policy/field.hpp"
#include "../policy/signals.hpp"
#include "recovery.hpp"

namespace agmohd::recovery {

/// Keeps no snapshots: where the hindrance policy asks for a rollback, the optimizer gives up.
struct None {
  struct Options {};
  struct Memory {};
  static constexpr auto fields = describe();
  static constexpr bool keeps = false;
  static const char* name() { return "None"; }

  AGMOHD_HD static bool can_roll_back(const Options&, const Memory&) { return false; }
  AGMOHD_HD static bool can_try_other(const Options&, const Memory&) { return false; }
  AGMOHD_HD static void plan(const Options&, const Memory&, Verdict&) {}
  AGMOHD_HD static void advance(const Options&, const Signals&, const Verdict&, Memory&) {}
};
static_assert(Recovery<None>);

}  // namespace agmohd::recovery
