// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

#include "kind.hpp"
#include "statistics.hpp"

namespace agmohd::hindrance {

/// Skips a step with a non-finite gradient or loss, by not writing anything (0 * NaN is NaN), and
/// gives up at the 25th skipped step in a row. An overflow of AMP's loss scale is the scaler's
/// business and does not come here.
struct Nonfinite {
  struct Options {};
  struct Memory {
    std::int64_t skips = 0;  ///< in a row, for whatever reason
  };
  static constexpr auto fields = describe();
  static constexpr unsigned wants = kNonfinite | kLoss;
  static std::string name() { return "Nonfinite"; }

  AGMOHD_HD static void examine(const Options&, const Signals& s, const Memory& m, Verdict& v) {
    const bool loss = s.has_loss && !finite(s.loss);
    if (s.nonfinite == 0 && finite(s.norm2) && !loss) return;
    report(v, Flag::nonfinite, 1, 0, 1);
    v.skip = true;
    if (m.skips + 1 >= kMostSkips) v.flags |= Flag::give_up;
  }
  AGMOHD_HD static void learn(const Options&, const Signals&, const Verdict& v, Memory& m) {
    m.skips = v.skip ? m.skips + 1 : 0;
  }
  AGMOHD_HD static Verdict judge(const Options& o, const Signals& s, Memory& m) {
    return conclude<Nonfinite>(o, s, m);
  }

 private:
  static constexpr std::int64_t kMostSkips = 25;
};
static_assert(Kind<Nonfinite> && Hindrance<Nonfinite>);

}  // namespace agmohd::hindrance
