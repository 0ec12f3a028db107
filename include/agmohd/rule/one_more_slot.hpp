// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>

#include "../policy/element.hpp"
#include "rule.hpp"

namespace agmohd::rule::detail {

/// R with a slot behind its own ones, for rules around a rule: `inner` are those of R, `own` is
/// the slot. Derived rules say what its name is and what a step does to it.
template <class R>
struct OneMoreSlot : R {
  static constexpr int inner_count = int(R::slot_names.size());

  template <class T>
  struct Slots {
    typename R::template Slots<T> inner;
    T own;
  };
  static unsigned slots(const typename R::Options& o) { return R::slots(o) | 1U << inner_count; }

  template <class T>
  AGMOHD_HD static Slots<T> before(const Slots<T>& old,
                                   const Slots<T>& now) requires(has::before<R>) {
    return {R::before(old.inner, now.inner), old.own};
  }
  template <class T>
  AGMOHD_HD static Slots<T> stored(const Slots<T>& s) requires(has::stored<R>) {
    return {R::stored(s.inner), s.own};
  }

 protected:
  static constexpr auto names_with(const char* own) {
    std::array<const char*, std::size_t(inner_count) + 1> names{};
    std::copy(R::slot_names.begin(), R::slot_names.end(), names.begin());
    names.back() = own;
    return names;
  }
};

}  // namespace agmohd::rule::detail
