// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "../core/concepts.hpp"
#include "../core/fields.hpp"
#include "../core/signals.hpp"

namespace agmohd::hindrance {

/// Does not look. Non-finite gradients reach the parameters, as in torch.optim.
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
