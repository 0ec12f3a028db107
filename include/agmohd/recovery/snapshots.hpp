// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "../policy/field.hpp"
#include "../policy/signals.hpp"
#include "recovery.hpp"

namespace agmohd::recovery {

/// Two snapshots of parameters and state. agmohd's own.
///
/// Writing: the sweep of every `snapshot_every`-th healthy step also stores its results to one of
/// the two, in turn, if the last ten steps were all healthy, or if it is ten intervals overdue. A
/// snapshot that turns out to hold a non-finite element is given up.
///
/// A rollback exchanges a snapshot with parameters and state. Where gradients or loss are not
/// finite it takes the newer one: such damage shows at once, so both are older than it. Else it
/// takes the older one, since the newer one may have the damage already. A rollback can be undone:
/// what was swapped out stays until its place is needed. A snapshot whose rollback was undone is
/// not tried again until another one is written.
///
/// What goes back: each tensor's elements, step, and what rule and gradient policy remember of it.
/// A tensor that the snapshot does not have stays as it is, and so do the schedule, the statistics
/// of the hindrance policy and the data.
///
/// Memory: twice that of parameters and state (24 bytes a parameter with Adam in float32),
/// allocated when `snapshots` is first set. Checkpoints hold the snapshots too.
struct Snapshots {
  struct Options {
    bool snapshots = false;            ///< keep two snapshots
    std::int64_t snapshot_every = 50;  ///< healthy steps from one snapshot to the next
    bool snapshots_on_host = false;    ///< those of CUDA parameters in pinned memory of the host
  };
  struct Memory {
    std::int64_t healthy = 0;     ///< healthy steps since a snapshot was written
    std::int64_t calm = 0;        ///< healthy steps in a row, up to kCalm
    std::int64_t made = 0;        ///< snapshots so far
    std::int64_t stamps[2] = {};  ///< `made` when each was written; 0: never; negative: swapped out
    std::int64_t since_swap = kWatch;  ///< steps since a rollback, up to kWatch
    std::int64_t tried = 0;            ///< a bit for each snapshot that was swapped in
    std::int64_t last = 0;             ///< the snapshot that was swapped in last
    constexpr void members(auto&& f) {
      f("healthy", healthy), f("calm", calm), f("made", made), f("stamps", stamps),
          f("since_swap", since_swap), f("tried", tried), f("last", last);
    }
  };
  static constexpr auto fields =
      describe(field("snapshots", &Options::snapshots),
               field("snapshot_every", &Options::snapshot_every, between(10, 1e9)),
               field("snapshots_on_host", &Options::snapshots_on_host));
  static constexpr bool keeps = true;
  static const char* name() { return "Snapshots"; }
  static const char* needs(const Options& o, std::string_view name) {
    return name != "snapshots" && !o.snapshots ? "snapshots = true" : nullptr;
  }

  AGMOHD_HD static bool can_roll_back(const Options& o, const Memory& m) {
    if (!o.snapshots) return false;
    return can_try(m, 0) || can_try(m, 1) || m.since_swap < kWatch;  // or to swap back
  }
  AGMOHD_HD static bool can_try_other(const Options& o, const Memory& m) {
    return o.snapshots && m.tried != 0 && (can_try(m, 0) || can_try(m, 1));
  }

  /// The number by which a tensor knows whether this snapshot has it; negative: the snapshot's
  /// place holds what was swapped out; 0: there is none.
  AGMOHD_HD static std::int64_t stamp(const Memory& m, int snapshot) { return m.stamps[snapshot]; }
  AGMOHD_HD static std::int64_t next_stamp(const Memory& m) { return m.made + 1; }

  AGMOHD_HD static void plan(const Options& o, const Memory& m, Verdict& v) {
    if (!o.snapshots) return;
    if (v.rollback) {
      v.swap = v.undo ? swapped_out(m) : (v.flags & Flag::nonfinite) != 0 ? newer(m) : older(m);
    } else if (healthy(v) && m.healthy + 1 >= o.snapshot_every &&
               (m.calm + 1 >= kCalm || m.healthy + 1 >= 10 * o.snapshot_every)) {
      v.save = m.stamps[0] <= m.stamps[1] ? 0 : 1;
    }
  }

  AGMOHD_HD static void advance(const Options& o, const Signals& s, const Verdict& v, Memory& m) {
    if (!o.snapshots) {  // set again later, it does not go back to snapshots of before
      const std::int64_t made = m.made;
      m = {};
      m.made = made;
      return;
    }
    if (s.spoiled > 0) {  // in the one that the last applied step wrote
      for (std::int64_t& stamp : m.stamps) stamp = stamp == m.made ? 0 : stamp;
    }
    if (v.swap >= 0) {
      m.stamps[v.swap] = -m.stamps[v.swap];
      m.last = v.swap;
      m.healthy = m.calm = 0;
      m.since_swap = v.undo ? kWatch : 0;
      if (!v.undo) m.tried |= std::int64_t{1} << v.swap;
      return;
    }
    if (m.since_swap < kWatch && (m.since_swap += 1) == kWatch) m.tried = 0;  // it helped
    if (v.skip || !healthy(v)) {
      m.calm = 0;
      return;
    }
    m.calm = m.calm < kCalm ? m.calm + 1 : kCalm;
    m.healthy += 1;
    if (v.save < 0) return;
    m.healthy = m.tried = 0;
    m.stamps[v.save] = m.made += 1;
  }

 private:
  static constexpr std::int64_t kWatch = 3;  ///< steps in which LossSpike may undo a rollback
  static constexpr std::int64_t kCalm = 10;  ///< healthy steps in a row before a snapshot
  static constexpr unsigned kUnhealthy = Flag::nonfinite | Flag::explosion | Flag::step_too_large |
                                         Flag::impossible_moment | Flag::loss_spike |
                                         Flag::accepted;

  AGMOHD_HD static bool healthy(const Verdict& v) { return !v.skip && (v.flags & kUnhealthy) == 0; }
  AGMOHD_HD static bool can_try(const Memory& m, int i) {
    return m.stamps[i] > 0 && (m.tried >> i & 1) == 0;
  }
  AGMOHD_HD static int older(const Memory& m) {
    if (!can_try(m, 0)) return can_try(m, 1) ? 1 : -1;
    return can_try(m, 1) && m.stamps[1] < m.stamps[0] ? 1 : 0;
  }
  AGMOHD_HD static int newer(const Memory& m) {
    if (!can_try(m, 0)) return can_try(m, 1) ? 1 : -1;
    return can_try(m, 1) && m.stamps[1] > m.stamps[0] ? 1 : 0;
  }
  /// The place that holds what the last rollback swapped out.
  AGMOHD_HD static int swapped_out(const Memory& m) {
    return m.since_swap < kWatch && m.stamps[m.last] < 0 ? int(m.last) : -1;
  }
};
static_assert(Recovery<Snapshots>);

}  // namespace agmohd::recovery
