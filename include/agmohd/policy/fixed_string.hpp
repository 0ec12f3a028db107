// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <string_view>

#include "field.hpp"

namespace agmohd {

/// A string as a template argument: options.get<"max_norm">().
template <std::size_t N>
struct FixedString {
  char text[N]{};
  constexpr FixedString(const char (&source)[N]) {
    std::copy_n(source, N, text);
  }  // NOLINT: implicit on purpose
  constexpr std::string_view view() const { return {text, N - 1}; }
};

namespace detail {

/// The position of the first field called `name` in a field list, or its size.
template <class... F>
constexpr std::size_t position(const FieldList<F...>& fields, std::string_view name) {
  std::size_t at = sizeof...(F);
  fields.each([&](const auto& f, auto i) {
    if (at == sizeof...(F) && name == f.name) at = i;
  });
  return at;
}

}  // namespace detail
}  // namespace agmohd
