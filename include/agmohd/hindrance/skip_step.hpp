// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>
#include <cstdint>

#include "detector/nonfinite.hpp"

namespace agmohd::hindrance {

/// OLMo's skipped steps (OLMo 2: Walsh et al. 2025; SkipStepOptimizer of OLMo-core): a step is
/// skipped if its loss or its gradient norm is more than `sigma_factor` standard deviations above
/// or below the mean of the `rolling_interval` steps before. It begins after half an interval, but
/// not before 20 steps. The values of skipped steps enter the windows too.
///
/// As published, every step is skipped for a whole interval after a non-finite value, which makes
/// the mean NaN, and as long as all values of a window are equal (0 / 0). With `repaired`
/// non-finite steps are treated as by Nonfinite and enter no window, and a value equal to such a
/// mean passes.
struct SkipStep {
  static constexpr int kMost = 128;  ///< the longest window
  struct Options {
    double sigma_factor = 6;                ///< standard deviations that are still ordinary
    std::int64_t rolling_interval = kMost;  ///< steps of the window
    bool repaired = true;                   ///< non-finite steps enter no window
  };
  struct Window {
    double values[kMost] = {};  ///< value number i is at i modulo kMost
    std::int64_t count = 0;     ///< values so far
    constexpr void members(auto&& f) { f("values", values), f("count", count); }
  };
  struct Memory {
    Nonfinite::Memory nonfinite;
    Window losses, norms;
    constexpr void members(auto&& f) {
      f("nonfinite", nonfinite), f("losses", losses), f("norms", norms);
    }
  };
  static constexpr auto fields =
      describe(field("sigma_factor", &Options::sigma_factor, above(0)),
               field("rolling_interval", &Options::rolling_interval, between(20, kMost)),
               field("repaired", &Options::repaired));
  static constexpr unsigned wants = kNorm | Nonfinite::wants;
  static const char* name() { return "SkipStep"; }

  AGMOHD_HD static Verdict judge(const Options& o, const Signals& s, Memory& m) {
    Verdict v;
    if (o.repaired) v = Nonfinite::judge({}, s, m.nonfinite);
    if (v.skip) return v;
    if (s.has_loss && stands_out(o, s.loss, m.losses)) report(v, Flag::loss_spike, 1, 0, 1);
    if (stands_out(o, std::sqrt(s.norm2), m.norms)) report(v, Flag::explosion, 1, 0, 1);
    v.skip = v.hindered = v.flags != 0;
    return v;
  }

 private:
  /// Whether x is out of the ordinary; after that x enters the window.
  AGMOHD_HD static bool stands_out(const Options& o, double x, Window& w) {
    const std::int64_t n = w.count < o.rolling_interval ? w.count : o.rolling_interval;
    const std::int64_t half = o.rolling_interval / 2, first = half > 20 ? half : 20;
    bool out = false;
    if (w.count + 1 >= first) {
      // Relative to a value of the window: one pass for both sums loses no digits then.
      const double origin = w.values[(w.count - 1) % kMost];
      double sum = 0, sum2 = 0;
      for (std::int64_t i = 1; i <= n; ++i) {
        const double d = w.values[(w.count - i) % kMost] - origin;
        sum += d;
        sum2 += d * d;
      }
      const double off = std::fabs(x - origin - sum / double(n));
      const double sigma =
          std::sqrt(std::fmax(sum2 - sum * (sum / double(n)), 0.0) / double(n - 1));
      out = o.repaired ? off > o.sigma_factor * sigma : !(off / sigma <= o.sigma_factor);
    }
    w.values[w.count % kMost] = x;
    w.count += 1;
    return out;
  }
};
static_assert(Hindrance<SkipStep>);

}  // namespace agmohd::hindrance
