// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <type_traits>

#include "../policy/element.hpp"
#include "../policy/signals.hpp"
#include "../rule/rule.hpp"

namespace agmohd::detail {

/// What a recipe has of its rule's guard: a memory of each tensor, and coefficients, which are for
/// a base class: an empty one takes no room. Here it has none.
template <class Rule, class Storage, bool guards>
struct RuleGuard {
  using Memory = NoMemory;
  template <class R>
  struct Coefficients {};
  template <class R>
  AGMOHD_HD static Coefficients<R> at(const typename Rule::Options&, const Now&,
                                      const typename Rule::Memory&, Memory&) {
    return {};
  }
};

template <class Rule, class Storage>
struct RuleGuard<Rule, Storage, true> {
  using Memory = typename Rule::Guard::Memory;
  template <class R>
  struct Coefficients {
    typename Rule::Guard::template Coefficients<R> guard;
  };
  /// After the rule's own coefficients; `rule`: its memory.
  template <class R>
  AGMOHD_HD static Coefficients<R> at(const typename Rule::Options& o, const Now& now,
                                      const typename Rule::Memory& rule, Memory& m) {
    return {Rule::Guard::template at<R>(o, now, slack, rule, m)};
  }

 private:
  /// kSlack for state as it is stored.
  static constexpr double slack = std::is_same_v<typename Storage::Float, Bf16> ? 1.1 : kSlack;
};

}  // namespace agmohd::detail
