// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>
#include <cstdint>

#include "../statistics.hpp"
#include "detector.hpp"

namespace agmohd::hindrance {

/// Exploding gradients, by the z-score of ln(norm): above 3.5 sigma one is reported, with full
/// evidence from 6 sigma on, and the norm is bounded by mean + 3 sigma (after ZClip, Kumar et al.
/// 2025; the rest is agmohd's own).
///
/// Allowance: a norm within it is no explosion, and no norm is bounded below it. So a large
/// gradient that comes back within some 500 steps is taken for part of the data: ten times the mean
/// after three occurrences, a million times after ten. The steps of a burst count as occurrences
/// when the burst is over.
///
/// Severe: above 9 sigma. Consecutive severe steps are skipped from the second on (as OLMo skips)
/// while the loss is high; LossSpike, which is to stand before it in a Detect, says so. At most 25
/// are skipped in a row, and 10 other steps pay for one more. A single severe step, or one with an
/// ordinary loss, is clipped, which protects as well and loses nothing.
///
/// Acceptance: after those 25 skips, after 5 severe steps with an ordinary loss, or when LossSpike
/// accepts a new level of the loss, large norms are the new normal. The statistics move there, and
/// for 20 steps nothing is skipped.
///
/// Single tensors are bounded in the same way, with statistics and an allowance of their own, from
/// 12 sigma on: with a smaller bound a tensor learnt late what only rare steps teach it.
struct Explosion {
  struct Options {};
  struct Memory {
    Spread norm;             ///< of ln(norm)
    Allowance allowance;     ///< how far ln(norm) may be above its mean
    SkipBudget budget;       ///< spent by severe steps
    std::int64_t burst = 0;  ///< severe steps with a high loss, in a row
    double reach = 1;        ///< what the steps of a burst after its first may add to the allowance
    std::int64_t clips_only = 0;  ///< steps to come that may not be skipped, after an acceptance
    constexpr void members(auto&& f) {
      f("norm", norm), f("allowance", allowance), f("budget", budget), f("burst", burst),
          f("reach", reach), f("clips_only", clips_only);
    }
  };
  struct TensorMemory {
    Spread norm;  ///< of the tensor's ln(norm)
    Allowance allowance;
    constexpr void members(auto&& f) { f("norm", norm), f("allowance", allowance); }
  };
  static constexpr auto fields = describe();
  static constexpr unsigned wants = kNorm | kTensors;
  static constexpr bool bounds_norm = true;
  static const char* name() { return "Explosion"; }

  AGMOHD_HD static void examine(const Options&, const Signals& s, const Memory& m, Verdict& v) {
    if (!has_log(s.norm2) || !m.norm.acts()) return;
    const double x = log_norm(s.norm2), z = m.norm.z(x, kNormSigma);
    if (!(x > m.norm.mean + m.allowance.value)) return;
    report(v, Flag::explosion, z, kNotice, kCertain);
    if (!(z > 3) || (v.flags & Flag::accepted) != 0) return;
    if (z > kSevere && m.clips_only == 0) {
      const bool high = (v.flags & Flag::loss_spike) != 0;
      if (!m.budget.allows(high ? 25 : 5)) {
        if (!v.skip) v.flags |= Flag::accepted;
        return;
      }
      v.skip = v.skip || (high && m.burst > 0);
    }
    lower(v.norm_bound, std::exp(bound(m)));
  }

  AGMOHD_HD static void learn(const Options&, const Signals& s, const Verdict& v, Memory& m) {
    const bool exploded = (v.flags & Flag::explosion) != 0;
    const bool accepted = (v.flags & Flag::accepted) != 0;
    // After a rollback the budget begins anew; after one that was undone it is spent, so that the
    // next severe step is accepted.
    if (v.rollback) {
      m.budget = {};
      while (accepted && exploded && m.budget.allows(25)) m.budget.spend();
    }
    const bool known = has_log(s.norm2);
    const double x = known ? log_norm(s.norm2) : 0;
    if (exploded && !accepted) {
      const bool severe = m.norm.z(x, kNormSigma) > kSevere;
      if (severe) m.budget.spend();
      const bool goes_on = severe && (v.flags & Flag::loss_spike) != 0;
      if (!goes_on) end_burst(m);
      if (m.burst == 0) m.allowance.raise(raised_by(x, m));
      m.burst = goes_on ? m.burst + 1 : 0;
    } else if (!v.skip) {
      m.budget.pay_back(1);
      end_burst(m);
      m.reach = std::fmax(1.0, m.reach * (1 - 1.0 / 20000));
      if (known) m.allowance.lower(kLower);
    }
    if (v.skip) return;
    if (m.clips_only > 0) m.clips_only -= 1;
    if (!known) return;
    if (exploded && accepted) {
      m.norm.accept(x, kAcceptedSigma);
      m.clips_only = 20;
    } else {
      m.norm.learn(x, kNormSigma);
    }
  }

  AGMOHD_HD static Verdict judge(const Options& o, const Signals& s, Memory& m) {
    return conclude<Explosion>(o, s, m);
  }

  AGMOHD_HD static TensorVerdict judge_tensor(const Options&, const TensorSignals& s,
                                              const Verdict& v, const Memory&, TensorMemory& m) {
    TensorVerdict out;
    if (!has_log(s.norm2)) return out;
    const double x = log_norm(s.norm2);
    if (m.norm.acts() && m.norm.z(x, kNormSigma) > kTensor && x > m.norm.mean + m.allowance.value) {
      if ((v.flags & Flag::accepted) != 0) {
        m.norm.accept(x, kAcceptedSigma);
        return out;
      }
      out.flags |= Flag::explosion;
      out.norm_bound = std::exp(bound(m));
      m.allowance.raise(raised_by(x, m));
    } else {
      m.allowance.lower(kLower);
    }
    m.norm.learn(x, kNormSigma);
    return out;
  }

 private:
  static constexpr double kNotice = 3.5, kCertain = 6, kSevere = 9, kTensor = 12;
  static constexpr double kAcceptedSigma = 0.5;  ///< of ln(norm) after an acceptance, at least
  static constexpr double kRaise = 1;     ///< an explosion raises the allowance by at least this
  static constexpr double kLower = 0.35;  ///< 500 other steps lower it by this

  /// The first step of a burst raised the allowance when it came; the others do now, by 1 each but
  /// by no more than `reach` in all. A single burst, such as a fault, thus hides norms of at most e
  /// times more. Each burst doubles `reach`, which halves again in some 14000 other steps: of
  /// bursts that come back more and more counts.
  AGMOHD_HD static void end_burst(Memory& m) {
    if (m.burst > 1) {
      m.allowance.raise(std::fmin(kRaise * double(m.burst - 1), m.reach));
      m.reach = std::fmin(2 * m.reach, 16.0);
    }
    m.burst = 0;
  }
  /// What ln(norm) is bounded by. M: Memory or TensorMemory.
  template <class M>
  AGMOHD_HD static double bound(const M& m) {
    return std::fmax(m.norm.upper(kNormSigma), m.norm.mean + m.allowance.value);
  }
  /// Half of what is beyond the bound, at most 2: one explosion hides norms of at most e^2 times
  /// more.
  template <class M>
  AGMOHD_HD static double raised_by(double x, const M& m) {
    return std::fmin(std::fmax(kRaise, 0.5 * (x - bound(m))), 2.0);
  }
};
static_assert(IsDetector<Explosion> && Hindrance<Explosion> && has::judge_tensor<Explosion>);

}  // namespace agmohd::hindrance
