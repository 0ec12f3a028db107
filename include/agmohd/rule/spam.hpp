// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>

#include "../policy/field.hpp"
#include "guard/moments_guard.hpp"
#include "moments.hpp"

namespace agmohd::rule {

/// SPAM (Huang et al. 2025, algorithm 1, without its sparse momentum): Adam with decoupled weight
/// decay, whose gradients are clipped element by element, and whose moments begin anew:
///   h <- sign(g) min(|g|, sqrt(spike_threshold v)),  m <- b1 m + (1 - b1) h,
///   v <- b2 v + (1 - b2) h^2,
///   p <- (1 - lr weight_decay) p - lr w sqrt(1 - b2^t) / (1 - b1^t) m / (sqrt(v) + eps)
/// w is 1 but behind a reset:
/// - every `reset_interval` updates both moments are set to zero, after which w grows along
///   half a cosine for `reset_warmup` updates;
/// - an element with g^2 > spike_threshold v becomes +-sqrt(spike_threshold v), except in the first
///   20 updates and in the 20 after a reset.
/// As in the authors' code the bias correction does not begin anew at a reset, and eps is added to
/// the uncorrected root. Here weight decay acts before the step. With gradient::Stabilize,
/// spike_threshold 0, reset_warmup 0, reset_interval 1000 and `reset_correction` it is Stable-SPAM.
///
/// As published, an element with v = 0 is clipped to 0, and so its v stays 0 for ever: an
/// embedding, say, that no batch used since the reset. With `spike_repaired` it is not clipped.
struct SPAM : Moments {
  struct Options {
    Pair betas{0.9, 0.999};             ///< decays of the two moments
    double eps = 1e-6;                  ///< added to the uncorrected root
    double weight_decay = 0;            ///< decoupled: p is multiplied with 1 - lr weight_decay
    double spike_threshold = 5000;      ///< largest g^2 / v that is not clipped; 0: no clip
    std::int64_t reset_interval = 500;  ///< updates between resets of the moments; 0: none
    std::int64_t reset_warmup = 150;    ///< updates in which the step grows again after a reset
    bool reset_correction = false;      ///< the bias correction begins anew at a reset
    bool spike_repaired = true;         ///< an element with v = 0 is not clipped
  };
  static constexpr auto fields =
      describe(field("betas", &Options::betas, in(0, 1)), field("eps", &Options::eps, at_least(0)),
               field("weight_decay", &Options::weight_decay, at_least(0)),
               field("spike_threshold", &Options::spike_threshold, at_least(0)),
               field("reset_interval", &Options::reset_interval, at_least(0)),
               field("reset_warmup", &Options::reset_warmup, at_least(0)),
               field("reset_correction", &Options::reset_correction),
               field("spike_repaired", &Options::spike_repaired));
  static constexpr double default_lr = 1e-3;
  static const char* name() { return "SPAM"; }
  static const char* needs(const Options& o, std::string_view name) {
    const bool of_reset = name == "reset_warmup" || name == "reset_correction";
    if (of_reset && o.reset_interval == 0) return "reset_interval above 0";
    return name == "spike_repaired" && o.spike_threshold == 0 ? "spike_threshold above 0" : nullptr;
  }
  static unsigned slots(const Options&) { return used(false); }
  static Memory restore(const Options& o, std::int64_t step) {
    return Moments::restore(o.betas, corrected(o, step));
  }

  template <class R>
  struct Coefficients {
    Moments::Coefficients<R> moments;
    R threshold, least;  ///< elements with g^2 > threshold v are clipped where v >= least; 0: none
    R reset;             ///< 1: the moments begin anew
  };

  AGMOHD_HD static double beta1(const Options& o) { return o.betas.first; }
  /// What the parameter is multiplied with in a step.
  AGMOHD_HD static double decay(const Options& o, double lr) { return 1 - lr * o.weight_decay; }

  template <class R>
  AGMOHD_HD static Coefficients<R> at(const Options& o, const Now& now, Memory& m) {
    const std::int64_t since = o.reset_interval > 0 ? now.step % o.reset_interval : now.step;
    const bool reset = has_reset(o, now.step), at_reset = reset && since == 0;
    if (begins_anew(o, now.step)) m = Memory{};
    auto moments = Moments::at<double>(o.betas, o.eps, now, m);
    moments.eps *= moments.scale2;
    if (reset && since < o.reset_warmup) {
      const double x = double(since) / double(o.reset_warmup + 1);
      moments.scale1 *= 1 - 0.99 * 0.5 * (1 + math::cos_pi(x));
    }
    const bool clips = o.spike_threshold > 0 && now.step >= kDelay && since >= kDelay;
    return {rounded<R>(moments), R(clips ? o.spike_threshold : 0),
            o.spike_repaired ? kLeast<R> : R(0), R(at_reset ? 1 : 0)};
  }

  template <Number T>
  AGMOHD_HD static void update(const T& /*p*/, const T& g, Slots<T>& s,
                               const Coefficients<Real<T>>& k) {
    if (k.reset != 0) s.exp_avg = s.exp_avg_sq = math::like(g, Real<T>(0));
    T h = g;
    if (k.threshold != 0) {
      const T limit = k.threshold * s.exp_avg_sq;
      const auto spike = (g * g > limit) & (s.exp_avg_sq >= math::like(g, k.least));
      h = math::select(spike, T(math::sign(g) * math::sqrt(limit)), g);
    }
    average(h, s, k.moments);
  }
  template <Number T>
  AGMOHD_HD static T direction(const T& /*p*/, const T& g, const Slots<T>& s,
                               const Coefficients<Real<T>>& k) {
    return ratio(g, s, k.moments);
  }

  struct Guard : MomentsGuard {
    static Memory restore(const Options& o, std::int64_t step) {
      return MomentsGuard::restore(o, corrected(o, step));
    }
    template <class R>
    AGMOHD_HD static Coefficients<R> at(const Options& o, const Now& now, double slack,
                                        const Moments::Memory& rule, Memory& m) {
      if (begins_anew(o, now.step)) m = Memory{};
      return MomentsGuard::at<R>(o, now, slack, rule, m);
    }
  };

 private:
  static constexpr std::int64_t kDelay = 20;  ///< updates in which nothing is clipped
  template <class R>
  static constexpr R kLeast = std::numeric_limits<R>::min();

  AGMOHD_HD static bool has_reset(const Options& o, std::int64_t step) {
    return o.reset_interval > 0 && step >= o.reset_interval;
  }
  /// Whether the bias correction begins anew.
  AGMOHD_HD static bool begins_anew(const Options& o, std::int64_t step) {
    return o.reset_correction && has_reset(o, step) && step % o.reset_interval == 0;
  }
  /// The number of updates that the bias correction counts.
  static std::int64_t corrected(const Options& o, std::int64_t step) {
    return o.reset_correction && has_reset(o, step) ? step % o.reset_interval + 1 : step;
  }
  template <class R>
  AGMOHD_HD static Moments::Coefficients<R> rounded(const Moments::Coefficients<double>& k) {
    return {R(k.gain1),  R(k.gain2),  R(k.mix_moment), R(k.mix_gradient),
            R(k.scale1), R(k.scale2), R(k.eps)};
  }
};
static_assert(Rule<SPAM> && has::guard<SPAM>);

}  // namespace agmohd::rule
