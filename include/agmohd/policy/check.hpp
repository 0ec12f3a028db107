// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <locale>
#include <sstream>
#include <stdexcept>
#include <string>
#include <type_traits>

#include "field.hpp"
#include "list.hpp"

// Checks of options, on the host. Kernel units do without: what reaches them has been checked.
namespace agmohd {

template <class... Part>
void refuse(const Part&... parts) {
  std::ostringstream out;
  out.imbue(std::locale::classic());
  out.precision(17);
  (out << ... << parts);
  throw std::invalid_argument(out.str());
}

namespace detail {

/// As in a message: "in [0, 1)", "finite and at least 0".
inline std::string text(const Bounds& bounds) {
  std::ostringstream out;
  out.imbue(std::locale::classic());
  const bool low = std::isfinite(bounds.low), high = std::isfinite(bounds.high);
  if (low && high) {
    out << "in " << (bounds.low_allowed ? '[' : '(') << bounds.low << ", " << bounds.high
        << (bounds.high_allowed ? ']' : ')');
  } else if (low) {
    out << "finite and " << (bounds.low_allowed ? "at least " : "greater than ") << bounds.low;
  } else if (high) {
    out << "finite and " << (bounds.high_allowed ? "at most " : "less than ") << bounds.high;
  } else {
    out << "finite";
  }
  return out.str();
}

/// A number that is not finite is refused whatever the bounds. `given`: whether it differs from its
/// default; a default that is out of bounds stands for a number that has to be given.
template <class Number>
void check_number(const std::string& name, Number value, const Bounds& bounds, bool given = true) {
  const auto x = static_cast<double>(value);
  if (std::isfinite(x) && bounds.contain(x)) return;
  if (given) refuse(name, " = ", value, ", but it must be ", text(bounds));
  refuse(name, " = ", value, ", but it must be ", text(bounds), ": it must be given (", value,
         " = not given)");
}

inline void check_value(const std::string&, bool, const Bounds&) {}
inline void check_value(const std::string& name, double value, const Bounds& bounds) {
  check_number(name, value, bounds);
}
inline void check_value(const std::string& name, std::int64_t value, const Bounds& bounds) {
  check_number(name, value, bounds);
}
inline void check_value(const std::string& name, const Pair& value, const Bounds& bounds) {
  check_number(name + "[0]", value.first, bounds);
  check_number(name + "[1]", value.second, bounds);
}

/// Each value of a list.
template <class T, std::size_t Most>
void check_value(const std::string& name, const List<T, Most>& list, const Bounds& bounds) {
  if (list.size < 0 || list.size > std::int64_t(Most)) {
    refuse(name, " has ", list.size, " values, but it can have at most ", Most);
  }
  for (std::int64_t i = 0; i < list.size; ++i) {
    check_value(name + "[" + std::to_string(i) + "]", list.values[i], bounds);
  }
}

/// As in a message: "cyclical (0), cosine (1) or none (2)".
inline std::string text(const Choices& choices) {
  std::string out;
  for (std::size_t i = 0; i < choices.count; ++i) {
    out += i == 0 ? "" : i + 1 < choices.count ? ", " : " or ";
    out += choices.names[i] + (" (" + std::to_string(i) + ")");
  }
  return out;
}
template <class Enum>
requires std::is_enum_v<Enum>
void check_value(const std::string& name, Enum value, const Choices& choices) {
  const auto i = static_cast<std::int64_t>(value);
  if (i >= 0 && i < static_cast<std::int64_t>(choices.count)) return;
  refuse(name, " = ", i, ", but it must be ", text(choices));
}

}  // namespace detail

/// Checks the options of `Policy`: every field against its bounds, then what the policy itself
/// demands of several fields together (`Policy::check`, where there is one). Throws
/// std::invalid_argument that names the field, the value and what is allowed, or that it must be
/// given.
template <class Policy>
void check(const typename Policy::Options& options) {
  const typename Policy::Options initial{};
  Policy::fields.each([&](const auto& f, auto) {
    const auto& value = f(options);
    if constexpr (std::is_same_v<decltype(value), const std::int64_t&>) {
      detail::check_number(f.name, value, f.bounds, value != f(initial));
    } else {
      detail::check_value(f.name, value, f.bounds);
    }
  });
  if constexpr (requires { Policy::check(options); }) Policy::check(options);
}

}  // namespace agmohd
