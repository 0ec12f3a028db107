// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cmath>
#include <cstdint>

#include "../policy/field.hpp"
#include "rule.hpp"

namespace agmohd::rule {

/// NovoGrad (Ginsburg et al. 2019, algorithm 1): Adam with one second moment for each tensor,
///   v <- b2 v + (1 - b2) |g|^2,  and v = |g|^2 in the first step,
///   m <- b1 m + g / (sqrt(v) + eps) + weight_decay p,  p <- p - lr m
/// |g| is the norm of the tensor's gradient after the transforms. v is a memory of the tensor, not
/// a slot: where a state comes without it, as one that a program made, v begins anew.
struct NovoGrad {
  struct Options {
    Pair betas{0.95, 0.98};       ///< decays of the two moments
    double eps = 1e-8;            ///< added to the root
    double weight_decay = 0;      ///< weight_decay p is added to the normalised gradient
    bool grad_averaging = false;  ///< weigh what joins m with 1 - b1, after the first step
    bool maximize = false;        ///< ascend: the gradient is negated
  };
  static constexpr double default_lr = 1e-2;
  static constexpr auto fields = describe(
      field("betas", &Options::betas, in(0, 1)), field("eps", &Options::eps, at_least(0)),
      field("weight_decay", &Options::weight_decay, at_least(0)),
      field("grad_averaging", &Options::grad_averaging), field("maximize", &Options::maximize));
  static const char* name() { return "NovoGrad"; }
  static constexpr unsigned wants = kTensors;

  template <class T>
  struct Slots {
    T exp_avg;
  };
  static constexpr std::array<const char*, 1> slot_names{"exp_avg"};
  static unsigned slots(const Options&) { return 1; }

  struct Memory {
    double exp_avg_sq = 0;  ///< v
    double begun = 0;       ///< 1: v is of an earlier step
    constexpr void members(auto&& f) { f("exp_avg_sq", exp_avg_sq), f("begun", begun); }
  };
  static Memory restore(const Options&, std::int64_t) { return {}; }

  template <class R>
  struct Coefficients {
    R beta1;         ///< decay of m
    R scale;         ///< of g where it joins m: 1 / (sqrt(v) + eps), negative with maximize
    R weight_decay;  ///< of p where it joins m
    R mix_moment, mix_gradient;  ///< of m and of what joins it; 1 and 0 but for Nesterov momentum
  };

  AGMOHD_HD static double beta1(const Options& o) { return o.betas.first; }
  /// With a settled v it is the heavy ball: on a quadratic stable up to a learning rate of 2 (1 +
  /// b1) over the preconditioned curvature; with `grad_averaging` that over 1 - b1.
  AGMOHD_HD static double stable_step(const Options& o, double b1) {
    return o.grad_averaging ? (1 + b1) / (1 - b1) : 1 + b1;
  }

  template <class R>
  AGMOHD_HD static Coefficients<R> at(const Options& o, const Now& now, Memory& m) {
    const double b1 = now.blend.beta1, b2 = o.betas.second, look = now.blend.look;
    const bool first = m.begun == 0;
    m.exp_avg_sq = first ? now.norm2 : b2 * m.exp_avg_sq + (1 - b2) * now.norm2;
    m.begun = 1;
    const double gain = o.grad_averaging && !first ? 1 - b1 : 1;
    const double scale = gain / (std::sqrt(m.exp_avg_sq) + o.eps);
    return {R(b1), R(o.maximize ? -scale : scale), R(gain * o.weight_decay),
            R(1 - look + look * b1), R(look)};
  }

  template <Number T>
  AGMOHD_HD static void update(const T& p, const T& g, Slots<T>& s,
                               const Coefficients<Real<T>>& k) {
    s.exp_avg = k.beta1 * s.exp_avg + joining(p, g, k);
  }
  template <Number T>
  AGMOHD_HD static T direction(const T& p, const T& g, const Slots<T>& s,
                               const Coefficients<Real<T>>& k) {
    if (k.mix_gradient == 0) return s.exp_avg;
    return k.mix_gradient * joining(p, g, k) + k.mix_moment * s.exp_avg;
  }

 private:
  template <Number T>
  AGMOHD_HD static T joining(const T& p, const T& g, const Coefficients<Real<T>>& k) {
    const T h = k.scale * g;
    if (k.weight_decay == 0) return h;
    return h + k.weight_decay * p;
  }
};
static_assert(Rule<NovoGrad>);

}  // namespace agmohd::rule
