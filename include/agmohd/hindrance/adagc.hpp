// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>

#include "detector/nonfinite.hpp"

namespace agmohd::hindrance {

/// AdaGC (Wang et al. 2025, algorithm 1): bounds each tensor's gradient norm by `adagc_relative`
/// times an exponential mean of its bounded norms. In the first `adagc_warmup` applied steps the
/// global norm is bounded by `adagc_absolute` instead, and each tensor's mean begins as the
/// smallest norm that it had after this clip. gradient::AdaptiveClip applies the bounds; for the
/// paper's behaviour set its max_norm to 1e30, since the paper has no other clip.
///
/// As published, a NaN that enters a mean disables it for ever, and a norm of 0 in the warm-up (a
/// tensor that is not used yet) bounds the tensor by 0 for ever. With `repaired` non-finite steps
/// are treated as by Nonfinite, and neither they nor norms of 0 enter a mean.
struct AdaGC {
  struct Options {
    double adagc_beta = 0.98;         ///< decay of the mean
    double adagc_relative = 1.05;     ///< bound of a tensor's norm, in means
    double adagc_absolute = 1;        ///< bound of the global norm in the warm-up
    std::int64_t adagc_warmup = 100;  ///< applied steps of the warm-up
    bool repaired = true;             ///< non-finite steps are skipped, norms of 0 not learnt
  };
  struct Memory {
    Nonfinite::Memory nonfinite;
    std::int64_t steps = 0;  ///< applied steps, this one included
    double factor = 1;       ///< what the warm-up's clip multiplies gradients with in this step
    constexpr void members(auto&& f) {
      f("nonfinite", nonfinite), f("steps", steps), f("factor", factor);
    }
  };
  struct TensorMemory {
    double mean = kNone;  ///< of the tensor's bounded norms; kNone: no norm yet
    constexpr void members(auto&& f) { f("mean", mean); }
  };
  static constexpr auto fields =
      describe(field("adagc_beta", &Options::adagc_beta, in(0, 1)),
               field("adagc_relative", &Options::adagc_relative, above(0)),
               field("adagc_absolute", &Options::adagc_absolute, above(0)),
               field("adagc_warmup", &Options::adagc_warmup, at_least(0)),
               field("repaired", &Options::repaired));
  static constexpr unsigned wants = kNorm | kTensors | Nonfinite::wants;
  static constexpr bool bounds_norm = true, bounds_tensors = true;
  static const char* name() { return "AdaGC"; }

  AGMOHD_HD static Verdict judge(const Options& o, const Signals& s, Memory& m) {
    Verdict v;
    if (o.repaired) v = Nonfinite::judge({}, s, m.nonfinite);
    if (v.skip) return v;
    m.steps += 1;
    m.factor = 1;
    if (m.steps > o.adagc_warmup) return v;
    v.norm_bound = o.adagc_absolute;
    const double norm = std::sqrt(s.norm2);
    m.factor = norm <= v.norm_bound ? 1 : v.norm_bound / norm;
    return v;
  }

  AGMOHD_HD static TensorVerdict judge_tensor(const Options& o, const TensorSignals& s,
                                              const Verdict&, const Memory& m, TensorMemory& t) {
    TensorVerdict out;
    const double norm = m.factor * std::sqrt(s.norm2);
    if (o.repaired && norm == 0) return out;
    if (m.steps <= o.adagc_warmup) {
      if (t.mean == kNone || norm < t.mean) t.mean = norm;
      return out;
    }
    if (t.mean == kNone) t.mean = norm;
    const double bound = o.adagc_relative * t.mean;
    if (norm > bound) out.norm_bound = bound;
    t.mean = o.adagc_beta * t.mean + (1 - o.adagc_beta) * (norm > bound ? bound : norm);
    return out;
  }

 private:
  static constexpr double kNone = std::numeric_limits<double>::infinity();
};
static_assert(Hindrance<AdaGC> && has::judge_tensor<AdaGC>);

}  // namespace agmohd::hindrance
