// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "constant.hpp"
#include "cosine.hpp"
#include "cosine_restarts.hpp"
#include "cyclical.hpp"
#include "exponential.hpp"
#include "function.hpp"
#include "inverse_sqrt.hpp"
#include "linear.hpp"
#include "multi_step.hpp"
#include "one_cycle.hpp"
#include "piecewise.hpp"
#include "polynomial.hpp"
#include "stable_decay.hpp"
#include "step.hpp"
#include "warmup.hpp"

namespace agmohd::schedule {

namespace detail {

struct Named {
  const char* name;
  Function (*make)(const Settings&);
  std::vector<std::string> (*options)();
};
template <class S>
Function make(const Settings& settings) {
  return function<S>(options_from<S>(settings));
}
template <class S>
std::vector<std::string> option_names() {
  std::vector<std::string> out;
  S::fields.each([&](const auto& field, auto) { out.emplace_back(field.name); });
  return out;
}
template <class S>
Named named(const char* name) {
  return {name, make<S>, option_names<S>};
}
inline const std::vector<Named>& all_named() {
  static const std::vector<Named> all{
      named<Warmup<Constant>>("constant"),
      named<Warmup<Cosine>>("cosine"),
      named<Warmup<CosineRestarts>>("cosine_restarts"),
      named<Warmup<Cyclical>>("cyclical"),
      named<Warmup<Exponential>>("exponential"),
      named<Warmup<InverseSqrt>>("inverse_sqrt"),
      named<Warmup<Linear>>("linear"),
      named<Warmup<MultiStep>>("multi_step"),
      named<Noam>("noam"),
      named<OneCycle>("one_cycle"),
      named<Piecewise>("piecewise"),
      named<Warmup<Polynomial>>("polynomial"),
      named<Warmup<Step>>("step"),
      named<Trapezoid>("trapezoid"),
      named<WarmupStableDecay>("wsd"),
  };
  return all;
}

}  // namespace detail

/// The names that by_name() knows.
inline std::vector<std::string> names() {
  std::vector<std::string> out;
  for (const detail::Named& named : detail::all_named()) out.emplace_back(named.name);
  return out;
}

namespace detail {
inline const Named& find_named(const std::string& name) {
  std::string known;
  for (const Named& named : all_named()) {
    if (name == named.name) return named;
    known += (known.empty() ? "" : ", ") + std::string(named.name);
  }
  refuse("there is no schedule \"", name, "\"; there are ", known);
}
}  // namespace detail

/// The options that by_name() takes for a schedule. Throws std::invalid_argument that lists the
/// names.
inline std::vector<std::string> option_names(const std::string& name) {
  return detail::find_named(name).options();
}

/// A schedule by its name, as a command line has it, with options by name: by_name("cosine",
/// {{"total_steps", "1000"}, {"warmup_steps", "50"}}). Those that do not begin with a warm-up of
/// their own have Warmup's options, too. Throws std::invalid_argument that lists the names, or the
/// options of that schedule.
inline Function by_name(const std::string& name, const Settings& settings = {}) {
  return detail::find_named(name).make(settings);
}

/// The same from one word: "cosine,total_steps=1000,warmup_steps=50".
inline Function from_text(const std::string& text) {
  const std::size_t at = text.find(',');
  if (at == std::string::npos) return by_name(text);
  return by_name(text.substr(0, at), settings_from(text.substr(at + 1)));
}

}  // namespace agmohd::schedule
