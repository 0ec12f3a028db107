// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace agmohd::tools {

/// Whether a whole name matches a pattern: `*` stands for any characters, dots included, `?` for
/// one, `#` for a number. A match has the value of the first number, 0 if there is none.
inline std::optional<std::int64_t> glob(std::string_view pattern, std::string_view name) {
  if (pattern.empty()) return name.empty() ? std::optional<std::int64_t>(0) : std::nullopt;
  const std::string_view rest = pattern.substr(1);
  if (pattern[0] == '*') {
    for (std::size_t i = 0; i <= name.size(); ++i) {
      if (const auto found = glob(rest, name.substr(i))) return found;
    }
    return std::nullopt;
  }
  if (pattern[0] == '#') {
    std::size_t digits = 0;
    std::int64_t number = 0;
    for (; digits < name.size() && digits < 18 && name[digits] >= '0' && name[digits] <= '9';
         ++digits) {
      number = 10 * number + (name[digits] - '0');
    }
    if (digits == 0 || !glob(rest, name.substr(digits))) return std::nullopt;
    return number;
  }
  if (name.empty() || (pattern[0] != '?' && pattern[0] != name[0])) return std::nullopt;
  return glob(rest, name.substr(1));
}

}  // namespace agmohd::tools
