// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// A rule without its direction: the message names the member.
// must say: the rule has no static function direction(p, g, slots, coefficients)

#include <agmohd/recipes.hpp>

struct Sign {
  struct Options {};
  static constexpr auto fields = agmohd::describe();
  static const char* name() { return "Sign"; }
  struct Memory {};
  template <class T>
  struct Slots {};
  static constexpr std::array<const char*, 0> slot_names{};
  static unsigned slots(const Options&) { return 0; }
  static Memory restore(const Options&, std::int64_t) { return {}; }
  template <class R>
  struct Coefficients {};
  template <class R>
  AGMOHD_HD static Coefficients<R> at(const Options&, const agmohd::Now&, Memory&) {
    return {};
  }
  template <class T, class K>
  AGMOHD_HD static void update(const T&, const T&, Slots<T>&, const K&) {}
#ifndef MUST_NOT_COMPILE
  template <class T, class K>
  AGMOHD_HD static T direction(const T&, const T& g, const Slots<T>&, const K&) {
    return agmohd::math::sign(g);
  }
#endif
};

using Mine = agmohd::Recipe<Sign>;
static_assert(Mine::slot_count == 0);
