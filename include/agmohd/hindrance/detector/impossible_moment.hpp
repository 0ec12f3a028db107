// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "detector.hpp"

namespace agmohd::hindrance {

/// Reports state that no gradient history can produce, such as a flipped bit or a bad checkpoint
/// leaves. The rule's Guard has clamped it before the update was taken; the report comes one step
/// later. For a rule without a Guard there is never one. agmohd's own.
struct ImpossibleMoment {
  struct Options {};
  struct Memory {};
  static constexpr auto fields = describe();
  static constexpr unsigned wants = kGuard;
  static const char* name() { return "ImpossibleMoment"; }

  AGMOHD_HD static void examine(const Options&, const Signals& s, const Memory&, Verdict& v) {
    if (s.guarded > 0) report(v, Flag::impossible_moment, 1, 0, 1);
  }
  AGMOHD_HD static void learn(const Options&, const Signals&, const Verdict&, Memory&) {}
  AGMOHD_HD static Verdict judge(const Options& o, const Signals& s, Memory& m) {
    return conclude<ImpossibleMoment>(o, s, m);
  }
};
static_assert(IsDetector<ImpossibleMoment> && Hindrance<ImpossibleMoment>);

}  // namespace agmohd::hindrance
