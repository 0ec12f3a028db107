// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "compiler.hpp"

#include <cstddef>
#include <type_traits>

namespace agmohd::detail {

/// Stands for the callable that a memory's members() gets. It is called with the name of a member
/// and the member, and for an array whose elements have names of their own with these as well.
struct AnyMember {
  template <class T>
  constexpr void operator()(const char*, T&) const {}
  template <class T, class Names>
  constexpr void operator()(const char*, T&, const Names&) const {}
};

/// Whether a memory lists its members, by whose names checkpoints then hold it:
/// constexpr void members(auto&& f) { f("count", count), ...; }
template <class M>
concept Listed = requires(M& memory, AnyMember f) {
  memory.members(f);
};

/// The sum of the sizes of the members that a memory lists, in bytes.
template <class M>
constexpr std::size_t listed_bytes() {
  M memory{};
  std::size_t sum = 0;
  memory.members([&sum](const char*, auto& x, const auto&...) { sum += sizeof x; });
  return sum;
}

}  // namespace agmohd::detail
