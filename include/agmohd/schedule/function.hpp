// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <locale>
#include <sstream>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "../policy/check.hpp"
#include "../policy/field.hpp"
#include "../policy/list.hpp"
#include "schedule.hpp"

// Schedules as functions, with options as text. On the host, for programs; recipes do without.
namespace agmohd::schedule {

/// The factor at applied step t, from 0.
using Function = std::function<double(std::int64_t)>;

/// Options by name, as text. Numbers as in C++; true or false; an enumeration's value by its name;
/// a list as 30/60/90, of pairs as 0:1/100:0.5. A name that comes again sets the next option of
/// that name, for a Sequence of schedules that share one.
using Settings = std::vector<std::pair<std::string, std::string>>;

namespace detail {

template <class Number>
Number number_from(const std::string& name, const std::string& text) {
  std::istringstream in(text);
  in.imbue(std::locale::classic());
  Number x{};
  if (!(in >> x) || !(in >> std::ws).eof()) {
    refuse(name, " = \"", text, "\", but it must be ",
           std::is_same_v<Number, double> ? "a number" : "a whole number");
  }
  return x;
}

inline std::vector<std::string> split(const std::string& text, char at) {
  std::vector<std::string> parts;
  std::istringstream in(text);
  for (std::string part; std::getline(in, part, at);) parts.push_back(part);
  return parts;
}

template <class F, class V>
void set_from_text(const F& field, V& value, const std::string& text) {
  const std::string name = field.name;
  if constexpr (std::is_same_v<V, bool>) {
    if (text != "true" && text != "false") {
      refuse(name, " = \"", text, "\", but it must be true or false");
    }
    value = text == "true";
  } else if constexpr (std::is_enum_v<V>) {
    for (std::size_t i = 0; i < field.bounds.count; ++i) {
      if (text != field.bounds.names[i]) continue;
      value = static_cast<V>(std::int64_t(i));
      return;
    }
    refuse(name, " = \"", text, "\", but it must be ", agmohd::detail::text(field.bounds));
  } else if constexpr (agmohd::detail::is_list<V>) {
    value = V{};
    for (const std::string& part : split(text, '/')) {
      if constexpr (std::is_same_v<std::remove_cvref_t<decltype(value.values[0])>, Pair>) {
        const std::vector<std::string> two = split(part, ':');
        if (two.size() != 2)
          refuse(name, ": \"", part, "\", but it must be two numbers, as 100:0.5");
        value.push_back({number_from<double>(name, two[0]), number_from<double>(name, two[1])});
      } else {
        value.push_back(number_from<std::int64_t>(name, part));
      }
    }
  } else {
    value = number_from<V>(name, text);
  }
}

}  // namespace detail

/// From "total_steps=1000,warmup_steps=50".
inline Settings settings_from(const std::string& text) {
  Settings settings;
  for (const std::string& part : detail::split(text, ',')) {
    const std::size_t at = part.find('=');
    if (at == std::string::npos) refuse("\"", part, "\", but it must be name=value");
    settings.emplace_back(part.substr(0, at), part.substr(at + 1));
  }
  return settings;
}

/// The options of schedule S, checked. Throws std::invalid_argument that names the option, its
/// value and what is allowed, or the options that S has.
template <class S>
typename S::Options options_from(const Settings& settings) {
  typename S::Options options{};
  for (std::size_t i = 0; i < settings.size(); ++i) {
    const std::string &name = settings[i].first, &text = settings[i].second;
    int skip = 0;
    for (std::size_t j = 0; j < i; ++j) skip += settings[j].first == name ? 1 : 0;
    bool found = false;
    int same = 0;
    std::string known;
    S::fields.each([&](const auto& field, auto) {
      known += (known.empty() ? "" : ", ") + std::string(field.name);
      if (found || name != field.name || same++ < skip) return;
      found = true;
      detail::set_from_text(field, field(options), text);
    });
    if (!found && same > 0) {
      refuse("the schedule ", S::name(), " has no option ", name, " a second time");
    }
    if (!found) refuse("the schedule ", S::name(), " has no option ", name, "; it has ", known);
  }
  check<S>(options);
  return options;
}

/// Schedule S as a function. Throws std::invalid_argument for options that are not allowed.
template <class S>
Function function(const typename S::Options& options) {
  check<S>(options);
  return [options](std::int64_t t) { return S::factor(options, t); };
}

}  // namespace agmohd::schedule
