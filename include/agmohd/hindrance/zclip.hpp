// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>
#include <cstdint>

#include "detector/nonfinite.hpp"

namespace agmohd::hindrance {

/// ZClip (Kumar et al. 2025, algorithm 1, "adaptive scaling"): a global gradient norm whose z-score
/// is above `zclip_threshold` is bounded by mean + zclip_threshold^2 / z sigma, so a norm that is
/// further out is bounded lower. Mean and variance are exponential, begin as those of the first
/// `zclip_warmup` norms, and learn the bounded norm. gradient::ClipByNorm or AdaptiveClip applies
/// the bound; their max_norm of 1 is the authors' max_grad_norm. (It is a hindrance policy and not
/// a transform since only those remember something of the optimizer as a whole.)
///
/// As published, a NaN that enters the mean disables it for ever, and if all norms of the warm-up
/// are 0, every later one is bounded by 0. With `repaired` non-finite steps are treated as by
/// Nonfinite, and neither they nor norms of 0 are learnt.
struct ZClip {
  struct Options {
    double zclip_alpha = 0.97;       ///< decay of mean and variance
    double zclip_threshold = 2.5;    ///< z-score above which the norm is bounded
    std::int64_t zclip_warmup = 25;  ///< norms that are only learnt, before any is bounded
    bool repaired = true;            ///< non-finite steps are skipped, norms of 0 not learnt
  };
  struct Memory {
    Nonfinite::Memory nonfinite;
    std::int64_t count = 0;         ///< norms of the warm-up so far
    double mean = 0, variance = 0;  ///< variance: in the warm-up the sum of squared deviations
    constexpr void members(auto&& f) {
      f("nonfinite", nonfinite), f("count", count), f("mean", mean), f("variance", variance);
    }
  };
  static constexpr auto fields =
      describe(field("zclip_alpha", &Options::zclip_alpha, in(0, 1)),
               field("zclip_threshold", &Options::zclip_threshold, above(0)),
               field("zclip_warmup", &Options::zclip_warmup, at_least(1)),
               field("repaired", &Options::repaired));
  static constexpr unsigned wants = kNorm | Nonfinite::wants;
  static constexpr bool bounds_norm = true;
  static const char* name() { return "ZClip"; }

  AGMOHD_HD static Verdict judge(const Options& o, const Signals& s, Memory& m) {
    Verdict v;
    if (o.repaired) v = Nonfinite::judge({}, s, m.nonfinite);
    const double norm = std::sqrt(s.norm2);
    if (v.skip || (o.repaired && norm == 0)) return v;
    if (m.count < o.zclip_warmup) {
      warm_up(o, norm, m);
      return v;
    }
    const double sigma = std::sqrt(m.variance), z = (norm - m.mean) / (sigma + kEps);
    if (z > o.zclip_threshold) {
      v.norm_bound = m.mean + o.zclip_threshold * sigma / (z / o.zclip_threshold);
      report(v, Flag::explosion, 1, 0, 1);
      v.hindered = true;
    }
    const double fed = z > o.zclip_threshold ? v.norm_bound : norm;
    m.mean = o.zclip_alpha * m.mean + (1 - o.zclip_alpha) * fed;
    const double difference = fed - m.mean;
    m.variance = o.zclip_alpha * m.variance + (1 - o.zclip_alpha) * (difference * difference);
    return v;
  }

 private:
  static constexpr double kEps = 1e-6;  // the authors'

  /// Mean and variance of a growing sample, by the method of Welford 1962.
  AGMOHD_HD static void warm_up(const Options& o, double norm, Memory& m) {
    m.count += 1;
    const double difference = norm - m.mean;
    m.mean += difference / double(m.count);
    m.variance += difference * (norm - m.mean);
    if (m.count == o.zclip_warmup) m.variance /= double(m.count);
  }
};
static_assert(Hindrance<ZClip>);

}  // namespace agmohd::hindrance
