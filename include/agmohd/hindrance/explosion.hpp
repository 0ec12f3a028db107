// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>
#include <cstdint>

#include "kind.hpp"
#include "statistics.hpp"

namespace agmohd::hindrance {

/// Exploding gradients, by the z-score of ln(norm): ZClip's clip to mean + 3 sigma (Kumar et al.
/// 2025), and above 9 sigma OLMo's skipped step, but at most 5 in a row, or 25 while LossSpike,
/// which must stand before it in a Detectors, finds the loss high; 10 applied steps pay for one
/// more. Then, or when LossSpike accepts a level of the loss, it is a change of regime: the
/// statistics move there, and for 20 steps nothing is skipped. A single tensor is
/// clipped in the same way, but only from 6 sigma on: a lower bound there gave nearly all false
/// alarms.
struct Explosion {
  struct Options {};
  struct Memory {
    Spread norm;  ///< of ln(norm)
    SkipBudget skips;
    std::int64_t clips_only = 0;  ///< steps that may not be skipped, after an acceptance
    constexpr void members(auto&& f) {
      f("norm", norm), f("skips", skips), f("clips_only", clips_only);
    }
  };
  using TensorMemory = Spread;  ///< of the tensor's ln(norm)
  static constexpr auto fields = describe();
  static constexpr unsigned wants = kNorm | kTensors;
  static constexpr bool bounds_norm = true;
  static const char* name() { return "Explosion"; }

  AGMOHD_HD static void examine(const Options&, const Signals& s, const Memory& m, Verdict& v) {
    if (!has_log(s.norm2) || !m.norm.acts()) return;
    const double z = m.norm.z(log_norm(s.norm2), kNormSigma);
    report(v, Flag::explosion, z, kNotice, kSevere);
    if (!(z > 3) || (v.flags & Flag::accepted) != 0) return;
    if (z <= kSkipped || m.clips_only > 0) {
      lower(v.norm_bound, std::exp(m.norm.upper(kNormSigma)));
    } else if (m.skips.allows((v.flags & Flag::loss_spike) != 0 ? 25 : 5)) {
      v.skip = true;
    } else if (!v.skip) {
      v.flags |= Flag::accepted;
    }
  }

  AGMOHD_HD static void learn(const Options&, const Signals& s, const Verdict& v, Memory& m) {
    const bool exploded = (v.flags & Flag::explosion) != 0;
    const bool accepted = (v.flags & Flag::accepted) != 0;
    if (v.rollback) {  // swapped in: a new beginning; swapped back: the regime is to be accepted
      m.skips = {};
      while (accepted && exploded && m.skips.allows(25)) m.skips.spend();
    }
    if (v.skip) {
      if (exploded) m.skips.spend();
      return;
    }
    m.skips.pay_back(1);
    if (m.clips_only > 0) m.clips_only -= 1;
    if (!has_log(s.norm2)) return;
    if (exploded && accepted) {
      m.norm.accept(log_norm(s.norm2), kAcceptedSigma);
      m.clips_only = 20;
    } else {
      m.norm.learn(log_norm(s.norm2), kNormSigma);
    }
  }

  AGMOHD_HD static Verdict judge(const Options& o, const Signals& s, Memory& m) {
    return conclude<Explosion>(o, s, m);
  }

  AGMOHD_HD static TensorVerdict judge_tensor(const Options&, const TensorSignals& s,
                                              const Verdict& v, const Memory&, TensorMemory& norm) {
    TensorVerdict out;
    if (!has_log(s.norm2)) return out;
    const double x = log_norm(s.norm2);
    if (norm.acts() && norm.z(x, kNormSigma) > kSevere) {
      if ((v.flags & Flag::accepted) != 0) {
        norm.accept(x, kAcceptedSigma);
        return out;
      }
      out.flags |= Flag::explosion;
      out.norm_bound = std::exp(norm.upper(kNormSigma));
    }
    norm.learn(x, kNormSigma);
    return out;
  }

 private:
  static constexpr double kNotice = 3.5, kSevere = 6, kSkipped = 9;
  static constexpr double kAcceptedSigma = 0.5;
};
static_assert(Kind<Explosion> && Hindrance<Explosion> && has::judge_tensor<Explosion>);

}  // namespace agmohd::hindrance
