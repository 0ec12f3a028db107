// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// A schedule without its function: the message names the member.
// must say: the schedule has no static function factor(options, t)

#include <agmohd/recipes.hpp>

struct Half {
  struct Options {};
  static constexpr auto fields = agmohd::describe();
  static const char* name() { return "Half"; }
#ifndef MUST_NOT_COMPILE
  AGMOHD_HD static double factor(const Options&, std::int64_t) { return 0.5; }
#endif
};

using Mine = agmohd::Recipe<agmohd::rule::SGD, Half>;
static_assert(Mine::wants == agmohd::kNothing);
