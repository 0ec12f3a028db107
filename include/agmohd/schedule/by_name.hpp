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
};
template <class S>
Function make(const Settings& settings) {
  return function<S>(options_from<S>(settings));
}
inline const std::vector<Named>& all_named() {
  static const std::vector<Named> all{
      {"constant", make<Warmup<Constant>>},
      {"cosine", make<Warmup<Cosine>>},
      {"cosine_restarts", make<Warmup<CosineRestarts>>},
      {"cyclical", make<Warmup<Cyclical>>},
      {"exponential", make<Warmup<Exponential>>},
      {"inverse_sqrt", make<Warmup<InverseSqrt>>},
      {"linear", make<Warmup<Linear>>},
      {"multi_step", make<Warmup<MultiStep>>},
      {"noam", make<Noam>},
      {"one_cycle", make<OneCycle>},
      {"piecewise", make<Piecewise>},
      {"polynomial", make<Warmup<Polynomial>>},
      {"step", make<Warmup<Step>>},
      {"trapezoid", make<Trapezoid>},
      {"wsd", make<WarmupStableDecay>},
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

/// A schedule by its name, as a command line has it, with options by name: by_name("cosine",
/// {{"total_steps", "1000"}, {"warmup_steps", "50"}}). Those that do not begin with a warm-up of
/// their own have Warmup's options, too. Throws std::invalid_argument that lists the names, or the
/// options of that schedule.
inline Function by_name(const std::string& name, const Settings& settings = {}) {
  std::string known;
  for (const detail::Named& named : detail::all_named()) {
    if (name == named.name) return named.make(settings);
    known += (known.empty() ? "" : ", ") + std::string(named.name);
  }
  refuse("there is no schedule \"", name, "\"; there are ", known);
}

/// The same from one word: "cosine,total_steps=1000,warmup_steps=50".
inline Function from_text(const std::string& text) {
  const std::size_t at = text.find(',');
  if (at == std::string::npos) return by_name(text);
  return by_name(text.substr(0, at), settings_from(text.substr(at + 1)));
}

}  // namespace agmohd::schedule
