// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "compiler.hpp"

#include <cstddef>
#include <cstdint>
#include <initializer_list>

#include "number.hpp"

namespace agmohd {

/// An option of up to `Most` values, std::int64_t or Pair: milestones, or the points of a curve. It
/// is copied to the device with the other options, so it has no memory of its own. If it is given
/// more, it keeps their number, which check() refuses.
template <class T, std::size_t Most>
struct List {
  static constexpr std::size_t most = Most;
  std::int64_t size = 0;
  T values[Most] = {};

  constexpr List() = default;
  constexpr List(std::initializer_list<T> given) {  // NOLINT: implicit, as a list of T
    for (const T& x : given) push_back(x);
  }
  /// How many of `values` count.
  AGMOHD_HD constexpr std::int64_t count() const {
    return size < std::int64_t(Most) ? size : std::int64_t(Most);
  }
  constexpr void push_back(const T& x) {
    if (size < std::int64_t(Most)) values[size] = x;
    size += 1;
  }
  friend constexpr bool operator==(const List& a, const List& b) {
    bool same = a.size == b.size;
    for (std::int64_t i = 0; same && i < a.count(); ++i) same = a.values[i] == b.values[i];
    return same;
  }
};

namespace detail {
template <class>
inline constexpr bool is_list = false;
template <class T, std::size_t Most>
inline constexpr bool is_list<List<T, Most>> = true;
}  // namespace detail

}  // namespace agmohd
