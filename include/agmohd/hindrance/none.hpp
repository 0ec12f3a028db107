// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "../policy/field.hpp"
#include "../policy/signals.hpp"
#include "hindrance.hpp"

namespace agmohd::hindrance {

/// Looks at nothing: every step is applied, and non-finite gradients reach the parameters, as in
/// torch.optim.
struct None {
  struct Options {};
  struct Memory {};
  static constexpr auto fields = describe();
  static constexpr unsigned wants = kNothing;
  static const char* name() { return "None"; }

  AGMOHD_HD static Verdict judge(const Options&, const Signals&, Memory&) { return {}; }
};
static_assert(Hindrance<None>);

}  // namespace agmohd::hindrance
