// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// A gradient policy that is decided but not applied: the message names the member.
// must say: the gradient policy has no static function apply(g, coefficients)

#include <agmohd/recipes.hpp>

struct Halve {
  struct Options {};
  static constexpr auto fields = agmohd::describe();
  static const char* name() { return "Halve"; }
  static constexpr agmohd::TransformKind kind = agmohd::TransformKind::element;
  static constexpr unsigned wants = agmohd::kNothing;
  template <class R>
  using Coefficients = R;
  template <class R>
  AGMOHD_HD static R at(const Options&, agmohd::Signals&, const agmohd::Verdict&) {
    return R(0.5);
  }
#ifndef MUST_NOT_COMPILE
  AGMOHD_HD static auto apply(const auto& g, const auto& factor) { return factor * g; }
#endif
};

using Mine = agmohd::Recipe<agmohd::rule::SGD, Halve>;
static_assert(Mine::wants == agmohd::kNothing);
