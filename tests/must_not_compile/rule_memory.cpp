// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// The memory of a policy is copied as bytes: it may not own anything.
// must say: the rule has no member type Memory, trivially copyable and of whole doubles

#include <agmohd/recipes.hpp>
#include <string>

struct Remembering : agmohd::rule::SGD {
#ifdef MUST_NOT_COMPILE
  struct Memory {
    std::string text;
  };
#else
  struct Memory {
    double number = 0;
  };
#endif
  static Memory restore(const Options&, std::int64_t) { return {}; }
  template <class R>
  AGMOHD_HD static Coefficients<R> at(const Options& o, const agmohd::Now& now, Memory&) {
    agmohd::rule::SGD::Memory none;
    return agmohd::rule::SGD::at<R>(o, now, none);
  }
};

using Mine = agmohd::Recipe<Remembering>;
static_assert(Mine::slot_count == 1);
