// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "adaptive.hpp"
#include "fixed.hpp"
#include "nesterov.hpp"

namespace agmohd::momentum {

enum class Mode : std::int64_t { adaptive, fixed, nesterov };

/// A momentum policy that is chosen at run time: Adaptive, Fixed or Nesterov. Adaptive's memory
/// moves on in every mode, so that the mode may change in mid-training.
struct Choice {
  struct Options {
    Mode momentum_schedule = Mode::adaptive;  ///< which policy
    Adaptive::Options adaptive{};
  };
  using Memory = Adaptive::Memory;
  static constexpr auto fields = describe(field("momentum_schedule", &Options::momentum_schedule,
                                                choices("adaptive", "fixed", "nesterov")),
                                          nested(&Options::adaptive, Adaptive::fields));
  static constexpr bool needs_first_moment = true;
  static const char* name() { return "Choice"; }
  static const char* needs(const Options& o, std::string_view name) {
    const bool adaptive = o.momentum_schedule == Mode::adaptive;
    return name == "min_momentum" && !adaptive ? "momentum_schedule = adaptive" : nullptr;
  }

  AGMOHD_HD static void advance(const Options& o, const Verdict& v, Memory& m) {
    Adaptive::advance(o.adaptive, v, m);
  }
  AGMOHD_HD static Blend blend(const Options& o, const Memory& m, double beta1) {
    switch (o.momentum_schedule) {
      case Mode::fixed:
        return Fixed::blend({}, {}, beta1);
      case Mode::nesterov:
        return Nesterov::blend({}, {}, beta1);
      default:
        return Adaptive::blend(o.adaptive, m, beta1);
    }
  }
};
static_assert(Momentum<Choice>);

}  // namespace agmohd::momentum
