// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cmath>
#include <cstdint>

#include "../policy/field.hpp"
#include "moments.hpp"
#include "rule.hpp"

namespace agmohd::rule {

/// LAMB (You et al. 2020, algorithm 2, with phi the identity), with the moments m and v of Adam:
///   u = m / (1 - b1^t) / (sqrt(v / (1 - b2^t)) + eps) + weight_decay p,  p <- p - lr |p| / |u| u
/// The norms are of the tensor; the ratio |p| / |u| is 1 where one of them is 0. Options leave the
/// bias correction out (the paper's third version) and bound the ratio by 1 (LAMBC). With
/// gradient::ClipByNorm in front it is NVIDIA's NVLAMB.
struct LAMB {
  struct Options {
    Pair betas{0.9, 0.999};       ///< decays of the two moments
    double eps = 1e-6;            ///< added to the root
    double weight_decay = 0;      ///< weight_decay p is part of u
    bool bias_correction = true;  ///< divide the moments by 1 - b1^t and 1 - b2^t
    bool trust_clip = false;      ///< the ratio counts as 1 where it is more
    bool maximize = false;        ///< ascend: the gradient is negated
  };
  static constexpr double default_lr = 1e-3;
  static constexpr auto fields =
      describe(field("betas", &Options::betas, in(0, 1)), field("eps", &Options::eps, at_least(0)),
               field("weight_decay", &Options::weight_decay, at_least(0)),
               field("bias_correction", &Options::bias_correction),
               field("trust_clip", &Options::trust_clip), field("maximize", &Options::maximize));
  static const char* name() { return "LAMB"; }
  static constexpr bool squares = true;

  template <class T>
  struct Slots {
    T exp_avg, exp_avg_sq;
  };
  static constexpr std::array<const char*, 2> slot_names{"exp_avg", "exp_avg_sq"};
  static unsigned slots(const Options&) { return 3; }

  using Memory = Moments::Memory;
  static Memory restore(const Options& o, std::int64_t step) {
    return Moments::restore(o.betas, step);
  }

  template <class R>
  struct Coefficients {
    R sign;          ///< -1 with maximize
    R weight_decay;  ///< of p, where it joins u
    Moments::Coefficients<R> moments;
  };

  AGMOHD_HD static double beta1(const Options& o) { return o.betas.first; }

  template <class R>
  AGMOHD_HD static Coefficients<R> at(const Options& o, const Now& now, Memory& m) {
    Coefficients<R> k{R(o.maximize ? -1 : 1), R(o.weight_decay),
                      Moments::at<R>(o.betas, o.eps, now, m)};
    if (!o.bias_correction) k.moments.scale1 = k.moments.scale2 = 1;
    return k;
  }
  AGMOHD_HD static double second(const Options& o, double p2, double u2) {
    if (!(p2 > 0) || !(u2 > 0)) return 1;
    const double ratio = std::sqrt(p2 / u2);
    return o.trust_clip && ratio > 1 ? 1 : ratio;
  }

  /// As Adam's: the last update in the metric of this step.
  template <class T>
  AGMOHD_HD static Slots<T> before(const Slots<T>& old, const Slots<T>& now) {
    return {old.exp_avg, now.exp_avg_sq};
  }

  template <Number T>
  AGMOHD_HD static void update(const T& /*p*/, const T& g, Slots<T>& s,
                               const Coefficients<Real<T>>& k) {
    const T h = k.sign * g;
    s.exp_avg = s.exp_avg + k.moments.gain1 * (h - s.exp_avg);
    s.exp_avg_sq = s.exp_avg_sq + k.moments.gain2 * (h * h - s.exp_avg_sq);
  }
  template <Number T>
  AGMOHD_HD static T direction(const T& p, const T& g, const Slots<T>& s,
                               const Coefficients<Real<T>>& k) {
    const auto& c = k.moments;
    const T moment = c.mix_gradient == 0
                         ? s.exp_avg
                         : T(c.mix_moment * s.exp_avg + c.mix_gradient * (k.sign * g));
    const T root = c.scale2 * math::sqrt(s.exp_avg_sq) + math::like(g, c.eps);
    return c.scale1 * moment / root + k.weight_decay * p;
  }
};
static_assert(Rule<LAMB> && has::second<LAMB>);

}  // namespace agmohd::rule
