// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "../policy/field.hpp"
#include "../policy/signals.hpp"
#include "momentum.hpp"

namespace agmohd::momentum {

/// Looks one step ahead (Nesterov 1983, in the form of Sutskever et al. 2013): SGD's update is
/// g + momentum b rather than the buffer b. With Adam it is NAdam (Dozat 2016) with a constant
/// momentum.
struct Nesterov {
  struct Options {};
  struct Memory {};
  static constexpr auto fields = describe();
  static constexpr bool needs_first_moment = true;
  static const char* name() { return "Nesterov"; }

  AGMOHD_HD static void advance(const Options&, const Verdict&, Memory&) {}
  AGMOHD_HD static Blend blend(const Options&, const Memory&, double beta1) { return {beta1, 1}; }
};
static_assert(Momentum<Nesterov>);

}  // namespace agmohd::momentum
