// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace agmohd::tools {

/// Whether a whole name matches a pattern: `*` stands for any characters, dots included, `?` for
/// one, `#` for a number, one digit or more. `*` takes the fewest and `#` the most characters that
/// let the rest match, from left to right. A match has the value of the first number, at most
/// INT64_MAX; 0 if there is none. Time and memory grow as the product of the two lengths.
inline std::optional<std::int64_t> glob(std::string_view pattern, std::string_view name) {
  const std::size_t width = name.size() + 1;
  const auto digit = [&](std::size_t j) {
    return j < name.size() && name[j] >= '0' && name[j] <= '9';
  };
  // matches[i width + j]: whether the pattern from i on matches the name from j on.
  std::vector<char> matches((pattern.size() + 1) * width, 0);
  const auto match = [&](std::size_t i, std::size_t j) -> char& { return matches[i * width + j]; };
  match(pattern.size(), name.size()) = 1;
  for (std::size_t i = pattern.size(); i-- > 0;) {
    for (std::size_t j = width; j-- > 0;) {
      if (pattern[i] == '*') {
        match(i, j) = match(i + 1, j) || (j < name.size() && match(i, j + 1));
      } else if (pattern[i] == '#') {
        match(i, j) = digit(j) && (match(i + 1, j + 1) || match(i, j + 1));
      } else {
        match(i, j) =
            j < name.size() && (pattern[i] == '?' || pattern[i] == name[j]) && match(i + 1, j + 1);
      }
    }
  }
  if (!match(0, 0)) return std::nullopt;
  std::size_t i = 0, j = 0;  // the first number
  for (; i < pattern.size() && pattern[i] != '#'; ++i) {
    if (pattern[i] != '*') {
      ++j;
    } else {
      while (!match(i + 1, j)) ++j;
    }
  }
  std::int64_t number = 0;
  for (bool more = i < pattern.size(); more; more = match(i, j)) {
    const int next = name[j++] - '0';
    number = number > (INT64_MAX - next) / 10 ? INT64_MAX : 10 * number + next;
  }
  return number;
}

}  // namespace agmohd::tools
