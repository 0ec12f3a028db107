// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// A momentum policy that blends beta1 with a rule that has none.
// must say: this momentum policy needs a rule with a first moment

#include <agmohd/recipes.hpp>

struct Decaying : agmohd::momentum::Fixed {
  static constexpr bool needs_first_moment = true;
};

struct SignOnly {
  struct Options {};
  static constexpr auto fields = agmohd::describe();
  static const char* name() { return "SignOnly"; }
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
  template <class T, class K>
  AGMOHD_HD static T direction(const T&, const T& g, const Slots<T>&, const K&) {
    return g;
  }
#ifndef MUST_NOT_COMPILE
  AGMOHD_HD static double beta1(const Options&) { return 0; }
#endif
};

using Mine = agmohd::Recipe<SignOnly, Decaying>;
static_assert(Mine::slot_count == 0);
