// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <string_view>
#include <tuple>
#include <type_traits>

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
constexpr std::size_t position(const std::tuple<F...>& fields, std::string_view name) {
  return std::apply(
      [name](const auto&... f) {
        std::size_t at = 0;
        bool found = false;
        ((found = found || name == f.name, at += found ? 0 : 1), ...);
        return at;
      },
      fields);
}

/// Calls f(field, index) for every field of a list, with the index as an integral constant.
template <class Fields, class F>
constexpr void for_each_field(const Fields& fields, F&& f) {
  [&]<std::size_t... I>(std::index_sequence<I...>) {
    (f(std::get<I>(fields), std::integral_constant<std::size_t, I>{}), ...);
  }
  (std::make_index_sequence<std::tuple_size_v<Fields>>{});
}

}  // namespace detail
}  // namespace agmohd
