// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>
#include <concepts>

#include "../../policy/field.hpp"
#include "../../policy/number.hpp"
#include "../../policy/signals.hpp"
#include "../hindrance.hpp"

namespace agmohd::hindrance {

/// A detector looks for one kind of hindrance. `examine` adds what it sees to the verdict, and
/// changes nothing else. `learn` moves its memory on, once all detectors have examined, with the
/// verdict of all. In a skipped step it may count the skip, but no statistic may change: the step
/// did not happen.
///
/// A norm bound that `examine` sets holds only if the level reaches the threshold; the verdict's
/// other members hold at once.
template <class K>
concept IsDetector = Policy<K> && has::Memory<K> && has::wants<K> &&
    requires(typename K::Options o, const Signals& s, typename K::Memory& memory,
             const typename K::Memory& seen, Verdict& v, const Verdict& merged) {
  K::examine(o, s, seen, v);
  K::learn(o, s, merged, memory);
};

/// The threshold of a detector that is a recipe's hindrance policy by itself, and the default of
/// Detect's option.
inline constexpr double kThreshold = 0.1;

/// The verdict of a detector, or of a list of them; nothing is learnt.
template <class K>
AGMOHD_HD Verdict examined(const typename K::Options& o, const Signals& s,
                           const typename K::Memory& memory, double threshold = kThreshold) {
  Verdict v;
  K::examine(o, s, memory, v);
  v.hindered = v.level > 0 && v.level >= threshold;
  if (!v.hindered) v.norm_bound = Verdict{}.norm_bound;
  return v;
}

/// The `judge` of a detector, which makes it a hindrance policy by itself.
template <class K>
AGMOHD_HD Verdict conclude(const typename K::Options& o, const Signals& s,
                           typename K::Memory& memory) {
  const Verdict v = examined<K>(o, s, memory);
  K::learn(o, s, v, memory);
  return v;
}

/// Sets the flag if x > notice, and raises the level to the evidence: 0 at `notice`, 1 from
/// `severe` on, linear in between.
AGMOHD_HD inline void report(Verdict& v, unsigned flag, double x, double notice, double severe) {
  if (!(x > notice)) return;
  v.flags |= flag;
  v.level = std::fmax(v.level, std::fmin(1.0, (x - notice) / (severe - notice)));
}

AGMOHD_HD inline void lower(double& bound, double to) { bound = std::fmin(bound, to); }

}  // namespace agmohd::hindrance
