// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// A storage that makes no key of a tensor and step: the message names the member.
// must say: the storage has no static function key(options, updates, index)

#include <agmohd/recipes.hpp>

struct Plain {
  struct Options {};
  struct Key {};
  using Float = float;
  static constexpr auto fields = agmohd::describe();
  static const char* name() { return "Plain"; }
#ifndef MUST_NOT_COMPILE
  AGMOHD_HD static Key key(const Options&, std::int64_t, std::int32_t) { return {}; }
#endif
  AGMOHD_HD static bool rounds(const Key&) { return false; }
  template <class R>
  AGMOHD_HD static R rounded(R x, const Key&, std::int64_t, int) {
    return x;
  }
};

using Mine = agmohd::Recipe<agmohd::rule::SGD, Plain>;
static_assert(Mine::slot_count == 1);
