// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "../statistics.hpp"
#include "detector.hpp"

namespace agmohd::hindrance {

/// Skips every step with a non-finite gradient or loss: nothing is written, since a factor of 0
/// would not help (0 * NaN is NaN). Gives up at the 25th such step in a row, or if they are more
/// than about a quarter of all steps for long: every second one for 70 steps, say. A skip costs 10,
/// and an applied step pays back 3, so rare skips never add up. The give-up is reported in one
/// step; then the count begins anew 100 applied steps later.
struct Nonfinite {
  struct Options {};
  struct Memory {
    SkipBudget skips;  ///< spent by non-finite steps; after a give-up see gave_up()
    constexpr void members(auto&& f) { f("skips", skips); }
  };
  static constexpr auto fields = describe();
  static constexpr unsigned wants = kNonfinite | kLoss;
  static const char* name() { return "Nonfinite"; }

  AGMOHD_HD static bool is_broken(const Signals& s) {
    return s.nonfinite != 0 || !finite(s.norm2) || (s.has_loss && !finite(s.loss));
  }

  AGMOHD_HD static void examine(const Options&, const Signals& s, const Memory& m, Verdict& v) {
    if (!is_broken(s)) return;
    report(v, Flag::nonfinite, 1, 0, 1);
    v.skip = true;
    if (!m.skips.allows(kMostSkips - 1) && !gave_up(m)) v.flags |= Flag::give_up;
  }
  AGMOHD_HD static void learn(const Options&, const Signals&, const Verdict& v, Memory& m) {
    if (gave_up(m)) {
      if (!v.skip) m.skips.spent += 1;
    } else if ((v.flags & Flag::nonfinite) != 0) {
      m.skips.spend();
      if (!m.skips.allows(kMostSkips)) m.skips.spent = -kSilent;
    } else if (!v.skip) {
      m.skips.pay_back(3);
    }
  }
  AGMOHD_HD static Verdict judge(const Options& o, const Signals& s, Memory& m) {
    return conclude<Nonfinite>(o, s, m);
  }

 private:
  static constexpr std::int64_t kMostSkips = 25;  ///< in a row
  static constexpr std::int64_t kSilent = 100;    ///< applied steps after a give-up without another

  /// Whether it gave up lately: `spent` is then minus the applied steps until the count begins
  /// anew.
  AGMOHD_HD static bool gave_up(const Memory& m) { return m.skips.spent < 0; }
};
static_assert(IsDetector<Nonfinite> && Hindrance<Nonfinite>);

}  // namespace agmohd::hindrance
