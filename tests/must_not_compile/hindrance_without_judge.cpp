// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// A hindrance policy that never judges: the message names the member.
// must say: the hindrance policy has no static function judge(options, signals, memory)

#include <agmohd/recipes.hpp>

struct Lenient {
  struct Options {};
  struct Memory {};
  static constexpr auto fields = agmohd::describe();
  static constexpr unsigned wants = agmohd::kNonfinite;
  static const char* name() { return "Lenient"; }
#ifndef MUST_NOT_COMPILE
  AGMOHD_HD static agmohd::Verdict judge(const Options&, const agmohd::Signals& s, Memory&) {
    return {.skip = s.nonfinite > 0};
  }
#endif
};

using Mine = agmohd::Recipe<agmohd::rule::SGD, Lenient>;
static_assert(Mine::wants == agmohd::kNonfinite);
