// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>
#include <cstdint>
#include <string>

#include "kind.hpp"
#include "statistics.hpp"

namespace agmohd::hindrance {

/// A loss is high above mean + 6 sigma and 1.1 means. High losses in 20 applied steps in a row that
/// do not fall, or three non-finite losses in a row, ask for a rollback. If 2 of the next 3 losses
/// are high still, the cause is not in the weights: swap back, accept the level. At most 3
/// rollbacks in 1000 losses; then it gives up. One high loss is reported, and nothing else.
struct LossSpike {
  struct Options {};
  struct Memory {
    Spread loss;
    std::int64_t losses = 0;     ///< of applied steps
    std::int64_t high = 0;       ///< of these, high in a row
    std::int64_t nonfinite = 0;  ///< losses in a row
    std::int64_t watched = 0;    ///< losses after a rollback that are still to come
    std::int64_t failed = 0;     ///< of the watched ones, high
    double recent[15] = {};      ///< the last losses, at `losses` modulo 15
    std::int64_t rollbacks[3] = {-1000, -1000, -1000};  ///< when the last ones were, in losses
  };
  static constexpr auto fields = describe();
  static constexpr unsigned wants = kLoss;
  static std::string name() { return "LossSpike"; }

  AGMOHD_HD static void examine(const Options&, const Signals& s, const Memory& m, Verdict& v) {
    if (!s.has_loss) return;
    const bool high = is_high(s, m), known = finite(s.loss);
    if (high) report(v, Flag::loss_spike, double(m.high + 1), 0, kLasting);
    if (m.watched > 0) {
      if (m.failed > 0 && (high || !known)) {
        v.skip = v.rollback = true;
        v.flags |= Flag::accepted;
      }
      return;
    }
    const bool lasting = high && m.high + 1 >= kLasting && !is_falling(s.loss, m);
    if (!lasting && (known || m.nonfinite + 1 < 3)) return;
    if (m.losses - m.rollbacks[0] < 1000) {
      v.flags |= Flag::give_up;
    } else {
      v.skip = v.rollback = true;
    }
  }

  AGMOHD_HD static void learn(const Options&, const Signals& s, const Verdict& v, Memory& m) {
    if (!s.has_loss) return;
    const bool high = is_high(s, m), known = finite(s.loss);
    if (v.rollback) {
      rolled_back(m.watched > 0, s.loss, m);
      return;
    }
    m.nonfinite = known ? 0 : m.nonfinite + 1;
    if (m.watched > 0) {
      m.watched -= 1;
      if (high || !known) m.failed += 1;
    }
    if (v.skip || !known) return;
    m.high = high ? m.high + 1 : 0;
    m.recent[m.losses % 15] = s.loss;
    m.losses += 1;
    m.loss.learn(s.loss, loss_sigma(m.loss));
  }

  AGMOHD_HD static Verdict judge(const Options& o, const Signals& s, Memory& m) {
    return conclude<LossSpike>(o, s, m);
  }

 private:
  static constexpr std::int64_t kLasting = 20;

  AGMOHD_HD static bool is_high(const Signals& s, const Memory& m) {
    return finite(s.loss) && m.loss.acts() && m.loss.z(s.loss, loss_sigma(m.loss)) > 6 &&
           s.loss > m.loss.mean + 0.1 * std::fabs(m.loss.mean);
  }
  /// Whether the mean of the last 5 losses, with this one, is 2 % below that of the steps 15 to 10
  /// before.
  AGMOHD_HD static bool is_falling(double loss, const Memory& m) {
    double now = loss, before = 0;
    for (int i = 1; i < 5; ++i) now += m.recent[(m.losses - i) % 15];
    for (int i = 10; i < 15; ++i) before += m.recent[(m.losses - i) % 15];
    return now < before - 0.02 * std::fabs(before);
  }
  AGMOHD_HD static void rolled_back(bool swapped_back, double loss, Memory& m) {
    m.high = m.nonfinite = m.failed = 0;
    m.watched = swapped_back ? 0 : 3;
    if (!swapped_back) {
      m.rollbacks[0] = m.rollbacks[1];
      m.rollbacks[1] = m.rollbacks[2];
      m.rollbacks[2] = m.losses;
    } else if (finite(loss)) {
      m.loss.mean = loss;
    }
  }
};
static_assert(Kind<LossSpike> && Hindrance<LossSpike>);

}  // namespace agmohd::hindrance
