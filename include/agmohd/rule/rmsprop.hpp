// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>

#include "../policy/field.hpp"
#include "l2_decay.hpp"
#include "rule.hpp"

namespace agmohd::rule {

/// RMSprop (Tieleman & Hinton 2012, lecture 6.5; centred: Graves 2013, equations 38 to 45) as
/// PyTorch has it, eps outside the root:
///   v <- a v + (1 - a) g^2,  n <- a n + (1 - a) g,  u = g / (sqrt(v - n^2) + eps),
///   b <- momentum b + u,  p <- p - lr b
/// n is 0 unless `centered`, b is u without momentum. Weight decay is L2: g <- g + weight_decay p.
struct RMSprop {
  struct Options {
    double alpha = 0.99;      ///< decay of the running means
    double eps = 1e-8;        ///< added to the root
    double weight_decay = 0;  ///< L2: weight_decay p is added to the gradient
    double momentum = 0;      ///< decay of the buffer of updates; 0: no buffer
    bool centered = false;  ///< divide by the standard deviation of g, not by its root mean square
    bool maximize = false;  ///< ascend: the gradient is negated
  };
  static constexpr double default_lr = 1e-2;
  static constexpr auto fields = describe(
      field("alpha", &Options::alpha, at_least(0)), field("eps", &Options::eps, at_least(0)),
      field("weight_decay", &Options::weight_decay, at_least(0)),
      field("momentum", &Options::momentum, at_least(0)), field("centered", &Options::centered),
      field("maximize", &Options::maximize));
  static const char* name() { return "RMSprop"; }
  static constexpr bool squares = true;

  template <class T>
  struct Slots {
    T square_avg, momentum_buffer, grad_avg;
  };
  static constexpr std::array<const char*, 3> slot_names{"square_avg", "momentum_buffer",
                                                         "grad_avg"};
  static unsigned slots(const Options& o) {
    return 1U | (o.momentum != 0 ? 2U : 0U) | (o.centered ? 4U : 0U);
  }

  struct Memory {};
  static Memory restore(const Options&, std::int64_t) { return {}; }

  template <class R>
  struct Coefficients {
    R sign;               ///< -1 with maximize
    R weight_decay;       ///< of p, where it joins the gradient
    R alpha, gain;        ///< decay of v; weight of the new g^2: 1 - alpha
    R mean_gain;          ///< weight of the new g in n: 1 - alpha if centred, else 0
    R momentum;           ///< decay of b; 0: b is u
    R mix_buffer, mix_u;  ///< of b and u in the direction; 1 and 0 but for Nesterov momentum
    R eps;                ///< added to the root
  };

  AGMOHD_HD static double beta1(const Options& o) { return o.momentum; }
  /// With a settled v it is the heavy ball: on a quadratic stable up to a learning rate of
  /// 2 (1 + momentum) over the preconditioned curvature.
  AGMOHD_HD static double stable_step(const Options&, double momentum) { return 1 + momentum; }

  template <class R>
  AGMOHD_HD static Coefficients<R> at(const Options& o, const Now& now, Memory&) {
    const double mu = now.blend.beta1, look = now.blend.look;
    return {R(o.maximize ? -1 : 1),
            R(o.weight_decay),
            R(o.alpha),
            R(1 - o.alpha),
            R(o.centered ? 1 - o.alpha : 0),
            R(mu),
            R(1 - look + look * mu),
            R(look),
            R(o.eps)};
  }

  template <Number T>
  AGMOHD_HD static void update(const T& p, const T& g, Slots<T>& s,
                               const Coefficients<Real<T>>& k) {
    const T h = decayed(p, g, k);
    s.square_avg = k.alpha * s.square_avg + k.gain * (h * h);
    if (k.mean_gain != 0) s.grad_avg = s.grad_avg + k.mean_gain * (h - s.grad_avg);
    if (k.momentum != 0) s.momentum_buffer = k.momentum * s.momentum_buffer + scaled(h, s, k);
  }
  template <Number T>
  AGMOHD_HD static T direction(const T& p, const T& g, const Slots<T>& s,
                               const Coefficients<Real<T>>& k) {
    if (k.momentum == 0) return scaled(decayed(p, g, k), s, k);
    if (k.mix_u == 0) return s.momentum_buffer;
    return k.mix_u * scaled(decayed(p, g, k), s, k) + k.mix_buffer * s.momentum_buffer;
  }

 private:
  template <Number T>
  AGMOHD_HD static T scaled(const T& h, const Slots<T>& s, const Coefficients<Real<T>>& k) {
    if (k.mean_gain == 0) return h / (math::sqrt(s.square_avg) + math::like(h, k.eps));
    return h / (math::sqrt(T(s.square_avg - s.grad_avg * s.grad_avg)) + math::like(h, k.eps));
  }
};
static_assert(Rule<RMSprop>);

}  // namespace agmohd::rule
