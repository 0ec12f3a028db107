// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// A rule with options of its own cannot use the guard of the rule that it derives from.
// must say: the rule's Guard has no static function restore(options, step)

#include <agmohd/recipes.hpp>

struct Derived : agmohd::rule::Adam {
  struct Options {
    double eps = 1e-8;
  };
  static constexpr auto fields = agmohd::describe(agmohd::field("eps", &Options::eps));
#ifndef MUST_NOT_COMPILE
  using Guard = void;
#endif
  static unsigned slots(const Options& o) { return agmohd::rule::Adam::slots({.eps = o.eps}); }
  static Memory restore(const Options& o, std::int64_t step) {
    return agmohd::rule::Adam::restore({.eps = o.eps}, step);
  }
  static double beta1(const Options&) { return 0.9; }
  template <class R>
  AGMOHD_HD static Coefficients<R> at(const Options& o, const agmohd::Now& now, Memory& m) {
    return agmohd::rule::Adam::at<R>({.eps = o.eps}, now, m);
  }
};

using Mine = agmohd::Recipe<Derived>;
static_assert(Mine::slot_count == 3 && !agmohd::has::guard<Derived>);
