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

/// A detector: one kind of hindrance. `examine` adds to the verdict what it sees, and changes
/// nothing; `learn` comes after all detectors have examined, with the verdict as it stands. In a
/// step that is skipped `learn` may change what counts skips, but no statistic.
///
/// A bound of the norm is a proposal, which stands if the level reaches the threshold; the other
/// members of a verdict act at once.
template <class K>
concept IsDetector = Policy<K> && has::Memory<K> && has::wants<K> &&
    requires(typename K::Options o, const Signals& s, typename K::Memory& memory,
             const typename K::Memory& seen, Verdict& v, const Verdict& merged) {
  K::examine(o, s, seen, v);
  K::learn(o, s, merged, memory);
};

/// The threshold of a detector that is a recipe's hindrance policy by itself; Detect has an option.
inline constexpr double kThreshold = 0.1;

/// The verdict of one detector, or of several together, before anything is learnt.
template <class K>
AGMOHD_HD Verdict examined(const typename K::Options& o, const Signals& s,
                           const typename K::Memory& memory, double threshold = kThreshold) {
  Verdict v;
  K::examine(o, s, memory, v);
  v.hindered = v.level > 0 && v.level >= threshold;
  if (!v.hindered) v.norm_bound = Verdict{}.norm_bound;
  return v;
}

/// `judge` of a detector that is a hindrance policy by itself.
template <class K>
AGMOHD_HD Verdict conclude(const typename K::Options& o, const Signals& s,
                           typename K::Memory& memory) {
  const Verdict v = examined<K>(o, s, memory);
  K::learn(o, s, v, memory);
  return v;
}

/// Reports a hindrance with its evidence, which rises from 0 at `notice` to 1 at `severe`.
AGMOHD_HD inline void report(Verdict& v, unsigned flag, double x, double notice, double severe) {
  if (!(x > notice)) return;
  v.flags |= flag;
  v.level = std::fmax(v.level, std::fmin(1.0, (x - notice) / (severe - notice)));
}

AGMOHD_HD inline void lower(double& bound, double to) { bound = std::fmin(bound, to); }

}  // namespace agmohd::hindrance
