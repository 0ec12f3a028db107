// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>
#include <cstdint>

#include "../policy/field.hpp"
#include "../policy/name.hpp"
#include "../policy/signals.hpp"
#include "constant.hpp"
#include "schedule.hpp"

namespace agmohd::schedule {

/// Schedule S with a clock that, if `hold` is set, stands still in hindered steps, so that a
/// warm-up waits until training is calm. The factor is never above S's own at that step; so nothing
/// changes where S falls. agmohd's own.
template <class S = Constant>
struct HindranceAware {
  static_assert(!has::schedule_memory<S>,
                "agmohd: the schedule inside HindranceAware has a memory, which it would lose");
  struct Options {
    bool hold = false;  ///< S's clock stands still in hindered steps
    typename S::Options schedule{};
  };
  struct Memory {
    std::int64_t held = 0;  ///< steps in which the clock stood still
    constexpr void members(auto&& f) { f("held", held); }
  };
  static constexpr auto fields =
      describe(field("hold", &Options::hold), nested(&Options::schedule, S::fields));
  template <class Text = std::string>
  static Text name() {
    return agmohd::detail::name_of<Text, S>("HindranceAware");
  }
  static void check(const Options& o) {
    if constexpr (requires { S::check(o.schedule); }) S::check(o.schedule);
  }

  static const char* needs(const Options& o, std::string_view name) {
    return agmohd::detail::needs<S>(o.schedule, name);
  }

  AGMOHD_HD static void advance(const Options& o, const Signals&, const Verdict& v, Memory& m) {
    if (o.hold && v.hindered) m.held += 1;
  }
  AGMOHD_HD static double factor(const Options& o, std::int64_t t, const Memory& m) {
    if (m.held == 0) return S::factor(o.schedule, t);
    return std::fmin(S::factor(o.schedule, t > m.held ? t - m.held : 0), S::factor(o.schedule, t));
  }
  /// Without a hindrance policy, as for a stock optimizer of torch.
  AGMOHD_HD static double factor(const Options& o, std::int64_t t) {
    return S::factor(o.schedule, t);
  }
};
static_assert(Schedule<HindranceAware<>> && has::schedule_memory<HindranceAware<>>);

}  // namespace agmohd::schedule
