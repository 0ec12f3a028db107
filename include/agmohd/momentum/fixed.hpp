// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "../policy/field.hpp"
#include "../policy/signals.hpp"
#include "momentum.hpp"

namespace agmohd::momentum {

/// Uses the momentum of the rule's options in every step.
struct Fixed {
  struct Options {};
  struct Memory {};
  static constexpr auto fields = describe();
  static constexpr bool needs_first_moment = false;
  static const char* name() { return "Fixed"; }

  AGMOHD_HD static void advance(const Options&, const Verdict&, Memory&) {}
  AGMOHD_HD static Blend blend(const Options&, const Memory&, double beta1) { return {beta1, 0}; }
};
static_assert(Momentum<Fixed>);

}  // namespace agmohd::momentum
