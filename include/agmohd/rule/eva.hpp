// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>
#include <cstdint>

#include "../policy/field.hpp"
#include "guard/moments_guard.hpp"
#include "l2_decay.hpp"
#include "moments.hpp"

namespace agmohd::rule {

/// EVA (TrustformeRS 2025, the Rust crate trustformers-optim; no paper): Adam, with the moments m
/// and v of Moments, whose learning rate shrinks, tensor by tensor, where g scatters:
///   g <- g + weight_decay p,  p <- p - lr f m / (1 - b1^t) / (sqrt(v / (1 - b2^t)) + eps),
///   f = clamp(1 / (1 + adaptation_strength sqrt(Var(g) + eps)), 0.1, 2)
/// Var is over the tensor's elements, of g before the decay. The crate's upper bound is never
/// reached. Its bias corrections count the updates of all tensors together; here each tensor counts
/// its own. Its third state tensor has no effect and is left out, so are its two switches:
/// adaptation_strength = 0 is f = 1.
///
/// Var is |g|^2 / n - mean^2, with an error of 1e-7 mean^2 in float. With a clip by norm in front
/// |g| is the clipped norm, the mean is not clipped, and Var too small by up to mean^2. Where Var
/// is not finite, f is 0.1: a gradient that is NaN spoils its own element only.
struct EVA : Moments {
  struct Options {
    Pair betas{0.9, 0.999};          ///< decays of the two moments
    double eps = 1e-8;               ///< added to the root, and to the variance
    double weight_decay = 1e-2;      ///< L2: weight_decay p is added to the gradient
    double adaptation_strength = 1;  ///< of the gradient's standard deviation; 0: Adam
    bool maximize = false;           ///< ascend: the gradient is negated
  };
  static constexpr double default_lr = 1e-3;
  static constexpr auto fields =
      describe(field("betas", &Options::betas, in(0, 1)), field("eps", &Options::eps, at_least(0)),
               field("weight_decay", &Options::weight_decay, at_least(0)),
               field("adaptation_strength", &Options::adaptation_strength, at_least(0)),
               field("maximize", &Options::maximize));
  static const char* name() { return "EVA"; }
  static constexpr bool squares = true;
  static unsigned slots(const Options&) { return used(false); }
  static Memory restore(const Options& o, std::int64_t step) {
    return Moments::restore(o.betas, step);
  }

  template <class R>
  struct Coefficients {
    R sign;          ///< -1 with maximize
    R weight_decay;  ///< of p, where it joins the gradient
    Moments::Coefficients<R> moments;
  };

  AGMOHD_HD static double beta1(const Options& o) { return o.betas.first; }
  /// lr f; now.mean is the mean of g. A single element has no variance, whatever the rounding.
  AGMOHD_HD static double lr(const Options& o, const Now& now) {
    if (o.adaptation_strength == 0 || now.numel == 0) return now.lr;
    double variance = now.norm2 / double(now.numel) - now.mean * now.mean;
    if (now.numel == 1 || variance < 0) variance *= 0;  // NaN stays
    const double f = 1 / (1 + o.adaptation_strength * std::sqrt(variance + o.eps));
    return now.lr * (f > kLeast ? f : kLeast);
  }

  template <class R>
  AGMOHD_HD static Coefficients<R> at(const Options& o, const Now& now, Memory& m) {
    return {R(o.maximize ? -1 : 1), R(o.weight_decay), Moments::at<R>(o.betas, o.eps, now, m)};
  }

  /// Neither `maximize` nor Nesterov momentum.
  template <class R>
  static bool usual(Coefficients<R>& k) {
    if (k.sign != 1 || k.moments.mix_gradient != 0) return false;
    k.sign = 1, k.moments.mix_gradient = 0;
    return true;
  }

  template <Number T>
  AGMOHD_HD static void update(const T& p, const T& g, Slots<T>& s,
                               const Coefficients<Real<T>>& k) {
    average(decayed(p, g, k), s, k.moments);
  }
  template <Number T>
  AGMOHD_HD static T direction(const T& p, const T& g, const Slots<T>& s,
                               const Coefficients<Real<T>>& k) {
    return ratio(decayed(p, g, k), s, k.moments);
  }

  /// The gradient itself is summed.
  template <class R>
  struct Summing {};
  template <class R>
  AGMOHD_HD static Summing<R> summing(const Options&, const Memory&) {
    return {};
  }
  template <Number T>
  AGMOHD_HD static T summed(const T& g, const Slots<T>& /*s*/, const Summing<Real<T>>& /*k*/) {
    return g;
  }

  using Guard = MomentsGuard;

 private:
  static constexpr double kLeast = 0.1;  ///< of f
};
static_assert(Rule<EVA> && has::guard<EVA> && has::summed<EVA>);

}  // namespace agmohd::rule
