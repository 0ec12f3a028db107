// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>

#include "../statistics.hpp"
#include "detector.hpp"
#include "nonfinite.hpp"

namespace agmohd::hindrance {

/// Losses far above those before, and what to do where they stay there. agmohd's own.
///
/// A loss is high if it exceeds both mean + 6 sigma and 1.1 mean, or if the mean of the last 15,
/// each capped at mean + 4 sigma, exceeds both mean + 2 sigma and 1.1 mean. A high loss is
/// reported, no more. Mean and sigma learn a loss 15 steps later, and nothing while losses are
/// high: else a lasting rise would move them until it is no longer seen.
///
/// A spike lasts if losses were high in 30 consecutive applied steps and their excess over the mean
/// has not halved within ten, or if 20 steps with a high loss were skipped, for an explosion say,
/// and not paid back: skips leave the weights as they are, so the cause is in these or in the data.
/// Eight consecutive steps with a non-finite loss or gradient count as lasting too; to wait longer
/// would cost little, but a rollback costs several times as many steps.
///
/// A lasting spike asks for a rollback, if there is a snapshot and there were fewer than 3
/// rollbacks in the last 1000 applied steps. If then 2 of the next 3 losses are non-finite, or
/// nearer to the spike than to the mean, the rollback is undone. If they were non-finite the
/// snapshot itself may be broken, and the other one is tried. Otherwise, and after both, the cause
/// is not in the weights, and the level of the loss is accepted: mean and sigma move there.
/// Non-finite steps remain Nonfinite's.
///
/// Without a rollback a lasting spike is accepted at once: a finite loss may be high by right. So
/// is another scale of the loss, after 4 consecutive losses above 6 sigma: they are 3 to 1000 times
/// the mean, and gradient norms are above their own mean by the same factor (within 1.4). Random
/// data and damaged weights do not look like that: in a small GPT the two factors differed by 1.7
/// to 5.
struct LossSpike {
  static constexpr int kRecent = 15;
  struct Options {};
  struct Memory {
    Spread loss;
    Spread norm;                 ///< of ln(norm)
    std::int64_t applied = 0;    ///< applied steps
    std::int64_t losses = 0;     ///< losses that went into `recent` since it was emptied
    std::int64_t high = 0;       ///< high losses in a row, of applied steps
    std::int64_t nonfinite = 0;  ///< non-finite steps in a row
    std::int64_t watched = 0;    ///< steps to come in which a rollback may be undone
    std::int64_t failed = 0;  ///< watched steps whose loss was no better than before the rollback
    std::int64_t retry = 0;   ///< 1: a rollback was undone, and the other snapshot is to be tried
    double no_better = 0;     ///< a loss above this counts as no better
    SkipBudget refused;       ///< spent by skipped steps with a high loss
    std::int64_t row = 0;     ///< losses above 6 sigma in a row, of skipped steps too
    double apart = 0;         ///< sum of apart() over these
    double recent[kRecent] = {};  ///< the last losses, at `losses` modulo kRecent
    double recent_sum = 0;        ///< of the last kRecent - 1, capped
    std::int64_t rollbacks[3] = {-1000, -1000, -1000};  ///< `applied` at the last three rollbacks
    constexpr void members(auto&& f) {
      f("loss", loss), f("norm", norm), f("applied", applied), f("losses", losses), f("high", high),
          f("nonfinite", nonfinite), f("watched", watched), f("failed", failed), f("retry", retry),
          f("no_better", no_better), f("refused", refused), f("row", row), f("apart", apart),
          f("recent", recent), f("recent_sum", recent_sum), f("rollbacks", rollbacks);
    }
  };
  static constexpr auto fields = describe();
  static constexpr unsigned wants = kLoss | kNorm | kNonfinite;
  static const char* name() { return "LossSpike"; }

  AGMOHD_HD static void examine(const Options&, const Signals& s, const Memory& m, Verdict& v) {
    const bool high = is_high(s, m), broken = Nonfinite::is_broken(s);
    if (high) report(v, Flag::loss_spike, double(m.high + 1), 0, kLasting);
    if (m.watched > 0) {
      if (!failed(s, m) || m.failed == 0 || !s.can_roll_back) return;
      v.skip = v.rollback = v.undo = true;
      if (!broken || !s.can_try_other) v.flags |= Flag::accepted;
    } else if (!high && !broken) {
      return;
    } else if (m.retry != 0 && s.can_roll_back) {
      v.skip = v.rollback = true;
    } else if (!broken && is_scale(m)) {
      v.flags |= Flag::accepted;
    } else if (broken ? m.nonfinite + 1 == kBroken : is_lasting(s.loss, m)) {
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
      const bool above = is_above(s, m);
      m.row = above ? m.row + 1 : 0;
      m.apart = above ? m.apart + apart(s, m) : 0;
    }
    if (v.rollback) {
      rolled_back(s, v, m);
      return;
    }
    m.retry = 0;
    const bool accepted = high && m.watched == 0 && (v.flags & Flag::accepted) != 0;
    if (m.watched > 0) {
      m.watched -= 1;
      if (failed(s, m)) m.failed += 1;
    }
    if (v.skip) {
      if (high) m.refused.spend();
      return;
    }
    m.refused.pay_back(1);
    m.applied += 1;
    if (!s.has_loss || broken) return;
    m.high = high && !accepted ? m.high + 1 : 0;
    if (accepted) {
      accept(s, m);
      return;
    }
    const auto oldest = int(m.losses % kRecent), next = int((m.losses + 1) % kRecent);
    if (!high) {
      if (m.losses >= kRecent) m.loss.learn(m.recent[oldest], loss_sigma(m.loss));
      if (has_log(s.norm2)) m.norm.learn(log_norm(s.norm2), kNormSigma);
    }
    m.recent[oldest] = s.loss;
    m.losses += 1;
    m.recent_sum = 0;
    const double most = cap(m);
    for (int i = 0; i < kRecent; ++i) {
      if (i != next) m.recent_sum += std::fmin(m.recent[i], most);
    }
  }

  AGMOHD_HD static Verdict judge(const Options& o, const Signals& s, Memory& m) {
    return conclude<LossSpike>(o, s, m);
  }

 private:
  static constexpr std::int64_t kLasting = 30, kRefused = 20, kBroken = 8;
  static constexpr double kUnbounded = std::numeric_limits<double>::infinity();

  AGMOHD_HD static bool is_above(double loss, double sigmas, const Memory& m) {
    return m.loss.acts() && m.loss.z(loss, loss_sigma(m.loss)) > sigmas &&
           loss > m.loss.mean + 0.1 * std::fabs(m.loss.mean);
  }
  AGMOHD_HD static bool is_above(const Signals& s, const Memory& m) {
    return s.has_loss && finite(s.loss) && is_above(s.loss, 6, m);
  }
  AGMOHD_HD static bool is_high(const Signals& s, const Memory& m) {
    return is_above(s, m) || (s.has_loss && finite(s.loss) && m.losses >= kRecent &&
                              is_above(mean_of_recent(s.loss, m), 2, m));
  }
  AGMOHD_HD static double mean_of_recent(double loss, const Memory& m) {
    return (m.recent_sum + std::fmin(loss, cap(m))) / kRecent;
  }
  AGMOHD_HD static double cap(const Memory& m) {
    return m.loss.mean + 4 * m.loss.sigma(loss_sigma(m.loss));
  }
  /// Whether a high loss makes the spike a lasting one.
  AGMOHD_HD static bool is_lasting(double loss, const Memory& m) {
    return (m.high + 1 >= kLasting && !is_falling(loss, m)) || !m.refused.allows(kRefused);
  }
  /// Whether the excess over the mean has halved: that of the last 5 losses, this one included, is
  /// less than half of that of the 5 losses ten steps earlier.
  AGMOHD_HD static bool is_falling(double loss, const Memory& m) {
    double now = loss, before = 0;
    for (int i = 1; i < 5; ++i) now += m.recent[(m.losses - i) % kRecent];
    for (int i = 10; i < 15; ++i) before += m.recent[(m.losses - i) % kRecent];
    return now - 5 * m.loss.mean < 0.5 * (before - 5 * m.loss.mean);
  }
  /// Whether a watched step is no better than those before the rollback.
  AGMOHD_HD static bool failed(const Signals& s, const Memory& m) {
    return Nonfinite::is_broken(s) || (s.has_loss && s.loss > m.no_better);
  }
  /// ln of (loss / its mean) / (norm / its mean), or 1e9 if the loss is not 3 to 1000 means.
  AGMOHD_HD static double apart(const Signals& s, const Memory& m) {
    const double factor = s.loss / m.loss.mean;
    if (!has_log(s.norm2) || !(m.loss.mean > 0 && factor > 3 && factor < 1000)) return 1e9;
    return std::log(factor) - (log_norm(s.norm2) - m.norm.mean);
  }
  /// Whether loss and norm rose by the same factor: the mean of apart() is within ln 1.4.
  AGMOHD_HD static bool is_scale(const Memory& m) {
    return m.row >= 4 && std::fabs(m.apart) < 0.35 * double(m.row);
  }
  AGMOHD_HD static void rolled_back(const Signals& s, const Verdict& v, Memory& m) {
    const bool broken = Nonfinite::is_broken(s);
    if (v.undo) {
      m.watched = 0;
      m.retry = (v.flags & Flag::accepted) != 0 ? 0 : 1;
      if (!broken && s.has_loss) accept(s, m);
    } else {
      m.watched = 3;
      const double recent = m.losses >= kRecent ? mean_of_recent(s.loss, m) : s.loss;
      m.no_better = broken ? kUnbounded : 0.5 * (m.loss.mean + std::fmax(s.loss, recent));
      if (m.retry == 0) {
        m.rollbacks[0] = m.rollbacks[1];
        m.rollbacks[1] = m.rollbacks[2];
        m.rollbacks[2] = m.applied;
      }
      m.retry = 0;
    }
    m.high = m.failed = m.row = m.losses = 0;
    m.apart = 0;
    m.refused = {};
  }
  /// The loss becomes the mean, with a sigma of at least a tenth of it.
  AGMOHD_HD static void accept(const Signals& s, Memory& m) {
    m.loss.settle(s.loss, std::fmax(loss_sigma(m.loss), 0.1 * std::fabs(s.loss)));
    if (has_log(s.norm2)) m.norm.mean = log_norm(s.norm2);
    m.row = m.losses = 0;
    m.apart = 0;
  }
};
static_assert(IsDetector<LossSpike> && Hindrance<LossSpike>);

}  // namespace agmohd::hindrance
