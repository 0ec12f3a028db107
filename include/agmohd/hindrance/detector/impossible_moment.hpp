// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "detector.hpp"

namespace agmohd::hindrance {

/// Elements of the rule's state that no history of gradients leads to: a flipped bit, a bad
/// checkpoint. The rule's `Guard` has brought them back before the update was taken; here they are
/// reported, one step later. A rule without one has none.
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
