// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>
#include <cstdint>

#include "../statistics.hpp"
#include "detector.hpp"

namespace agmohd::hindrance {

/// Exploding gradients, by the z-score of ln(norm), in which the norm is clipped to mean + 3 sigma
/// (ZClip: Kumar et al. 2025). A norm that lies within the allowance is no explosion, and nothing
/// is clipped below it: a large gradient that comes back within some 500 steps is the data's, and
/// is accepted, one of ten times the mean after three times, one of a million times after ten. Each
/// step of a burst counts for that, once the burst is over.
///
/// Above 9 sigma an explosion is severe. Severe steps in a row are skipped (OLMo), from the second
/// on, while LossSpike, which must stand before it in a Detect, finds the loss high: at most 25
/// in a row, and 10 other steps pay for one more. A single one, or one with an ordinary loss, is
/// clipped: that is as safe, and loses nothing. After those 25, after 5 severe ones with an
/// ordinary loss, or when LossSpike accepts a level of the loss, it is a change of regime: the
/// statistics move there, and for 20 steps nothing is skipped.
///
/// A single tensor is clipped in the same way, with an allowance of its own, but only from 12 sigma
/// on: with 6, what only rare steps teach a tensor was learnt late.
struct Explosion {
  struct Options {};
  struct Memory {
    Spread norm;             ///< of ln(norm)
    Allowance allowance;     ///< of ln(norm) above its mean
    SkipBudget budget;       ///< of severe ones
    std::int64_t burst = 0;  ///< severe steps with a high loss, in a row
    double reach = 1;        ///< what a burst may raise the allowance by, but for its first step
    std::int64_t clips_only = 0;  ///< steps that may not be skipped, after an acceptance
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
    if (v.rollback) {  // swapped in: a new beginning; swapped back: the regime is to be accepted
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
  static constexpr double kAcceptedSigma = 0.5;
  static constexpr double kRaise = 1;     ///< an explosion raises the allowance by this at least
  static constexpr double kLower = 0.35;  ///< and 500 other steps lower it by this

  /// The first step of a burst raised the allowance; the others do now. A single burst, as a fault
  /// is, makes the detector blinder by no more than another factor of e; with each that comes back
  /// within some 10000 steps more of it counts.
  AGMOHD_HD static void end_burst(Memory& m) {
    if (m.burst > 1) {
      m.allowance.raise(std::fmin(kRaise * double(m.burst - 1), m.reach));
      m.reach = std::fmin(2 * m.reach, 16.0);
    }
    m.burst = 0;
  }
  /// What ln(norm) is clipped to. M: a memory, of all gradients or of a tensor's.
  template <class M>
  AGMOHD_HD static double bound(const M& m) {
    return std::fmax(m.norm.upper(kNormSigma), m.norm.mean + m.allowance.value);
  }
  /// Half of what is beyond the bound, but at most 2: a single one makes the detector blinder by no
  /// more than a factor of e^2.
  template <class M>
  AGMOHD_HD static double raised_by(double x, const M& m) {
    return std::fmin(std::fmax(kRaise, 0.5 * (x - bound(m))), 2.0);
  }
};
static_assert(IsDetector<Explosion> && Hindrance<Explosion> && has::judge_tensor<Explosion>);

}  // namespace agmohd::hindrance
