// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>
#include <cstdint>
#include <string>

#include "kind.hpp"
#include "nonfinite.hpp"
#include "statistics.hpp"

namespace agmohd::hindrance {

/// A loss is high above mean + 6 sigma and 1.1 means; one is reported, and nothing else. The
/// statistics do not learn from it, or a lasting one would raise sigma until it is no longer seen.
/// A spike is lasting when 20 applied steps in a row had a high loss and it does not fall, or when
/// 25 steps with one were skipped (an explosion, say) and are not paid back: a skip leaves the
/// weights as they are, so the cause is in them, or in the data. Three steps in a row with a
/// non-finite loss or gradient say the same. Then it asks for a rollback, where there is a
/// snapshot. If 2 of the next 3 steps are high or non-finite still, the cause is not in the
/// weights: swap back and accept the level of the loss; what is non-finite stays Nonfinite's.
///
/// Without a snapshot, and after 3 rollbacks in 1000 applied steps, a lasting spike is accepted as
/// the new level, where the design gave up: a finite loss may be high by right. So is, after 4 high
/// losses in a row, another scale of the loss: it stands 3 to 1000 times above its mean, and the
/// norm of the gradients by the same factor. Random data and damaged weights raised the one more
/// than the other, by a factor of 1.7 to 5 in a small GPT.
struct LossSpike {
  struct Options {};
  struct Memory {
    Spread loss;
    Spread norm;                 ///< of ln(norm)
    std::int64_t applied = 0;    ///< steps
    std::int64_t losses = 0;     ///< of these, with a loss
    std::int64_t high = 0;       ///< of these, high in a row
    std::int64_t nonfinite = 0;  ///< steps in a row
    std::int64_t watched = 0;    ///< steps after a rollback that are still to come
    std::int64_t failed = 0;     ///< of the watched ones, high or non-finite
    SkipBudget refused;          ///< skipped steps with a high loss
    std::int64_t row = 0;        ///< steps with a high loss in a row, skipped or not
    double apart = 0;            ///< sum over these, see apart()
    double recent[15] = {};      ///< the last losses, at `losses` modulo 15
    std::int64_t rollbacks[3] = {-1000, -1000, -1000};  ///< when the last ones were, in `applied`
  };
  static constexpr auto fields = describe();
  static constexpr unsigned wants = kLoss | kNorm | kNonfinite;
  static std::string name() { return "LossSpike"; }

  AGMOHD_HD static void examine(const Options&, const Signals& s, const Memory& m, Verdict& v) {
    const bool high = is_high(s, m), broken = Nonfinite::is_broken(s);
    if (high) report(v, Flag::loss_spike, double(m.high + 1), 0, kLasting);
    if (!high && !broken) return;
    if (m.watched > 0) {
      if (m.failed == 0 || !s.can_roll_back) return;
      v.skip = v.rollback = true;
      v.flags |= Flag::accepted;
    } else if (!broken && is_scale(m)) {
      v.flags |= Flag::accepted;
    } else if (broken ? m.nonfinite + 1 == 3 : is_lasting(s.loss, m)) {
      if (s.can_roll_back && m.applied - m.rollbacks[0] >= 1000) {
        v.skip = v.rollback = true;
      } else if (!broken) {
        v.flags |= Flag::accepted;
      }
    }
  }

  AGMOHD_HD static void learn(const Options&, const Signals& s, const Verdict& v, Memory& m) {
    const bool high = is_high(s, m), broken = Nonfinite::is_broken(s);
    m.nonfinite = broken ? m.nonfinite + 1 : 0;
    if (!broken) {
      m.row = high ? m.row + 1 : 0;
      m.apart = high ? m.apart + apart(s, m) : 0;
    }
    if (v.rollback) {
      rolled_back(m.watched > 0, s, m);
      return;
    }
    const bool accepted = high && m.watched == 0 && (v.flags & Flag::accepted) != 0;
    if (m.watched > 0) {
      m.watched -= 1;
      if (high || broken) m.failed += 1;
    }
    if (v.skip) {
      if (high) m.refused.spend();
      return;
    }
    m.refused.pay_back(1);
    m.applied += 1;
    if (!s.has_loss || broken) return;
    m.high = high && !accepted ? m.high + 1 : 0;
    m.recent[m.losses % 15] = s.loss;
    m.losses += 1;
    if (accepted) {
      accept(s, m);
    } else if (!high) {
      m.loss.learn(s.loss, loss_sigma(m.loss));
      if (has_log(s.norm2)) m.norm.learn(log_norm(s.norm2), kNormSigma);
    }
  }

  AGMOHD_HD static Verdict judge(const Options& o, const Signals& s, Memory& m) {
    return conclude<LossSpike>(o, s, m);
  }

 private:
  static constexpr std::int64_t kLasting = 20, kRefused = 25;

  AGMOHD_HD static bool is_high(const Signals& s, const Memory& m) {
    return s.has_loss && finite(s.loss) && m.loss.acts() &&
           m.loss.z(s.loss, loss_sigma(m.loss)) > 6 &&
           s.loss > m.loss.mean + 0.1 * std::fabs(m.loss.mean);
  }
  /// Of a loss that is high.
  AGMOHD_HD static bool is_lasting(double loss, const Memory& m) {
    return (m.high + 1 >= kLasting && !is_falling(loss, m)) || !m.refused.allows(kRefused);
  }
  /// Whether the mean of the last 5 losses, with this one, is 2 % below that of the steps 15 to 10
  /// before.
  AGMOHD_HD static bool is_falling(double loss, const Memory& m) {
    double now = loss, before = 0;
    for (int i = 1; i < 5; ++i) now += m.recent[(m.losses - i) % 15];
    for (int i = 10; i < 15; ++i) before += m.recent[(m.losses - i) % 15];
    return now < before - 0.02 * std::fabs(before);
  }
  /// By how much a high loss stands out more than the norm, as a logarithm.
  AGMOHD_HD static double apart(const Signals& s, const Memory& m) {
    const double factor = s.loss / m.loss.mean;
    if (!has_log(s.norm2) || !(m.loss.mean > 0 && factor > 3 && factor < 1000)) return 1e9;
    return std::log(factor) - (log_norm(s.norm2) - m.norm.mean);
  }
  /// Whether the mean of that says that it does not, within a factor of 1.4.
  AGMOHD_HD static bool is_scale(const Memory& m) {
    return m.row >= 4 && std::fabs(m.apart) < 0.35 * double(m.row);
  }
  AGMOHD_HD static void rolled_back(bool swapped_back, const Signals& s, Memory& m) {
    m.high = m.failed = m.row = 0;
    m.apart = 0;
    m.refused = {};
    m.watched = swapped_back ? 0 : 3;
    if (!swapped_back) {
      m.rollbacks[0] = m.rollbacks[1];
      m.rollbacks[1] = m.rollbacks[2];
      m.rollbacks[2] = m.applied;
    } else if (is_high(s, m)) {
      accept(s, m);
    }
  }
  /// Takes the loss for an upper, but ordinary one of a new level, with a tenth of it for a sigma.
  AGMOHD_HD static void accept(const Signals& s, Memory& m) {
    m.loss.accept(s.loss, std::fmax(loss_sigma(m.loss), 0.1 * std::fabs(s.loss)));
    if (has_log(s.norm2)) m.norm.mean = log_norm(s.norm2);
    m.row = 0;
    m.apart = 0;
  }
};
static_assert(Kind<LossSpike> && Hindrance<LossSpike>);

}  // namespace agmohd::hindrance
