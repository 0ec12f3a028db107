// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>

#include "../policy/field.hpp"
#include "../policy/number.hpp"
#include "../policy/signals.hpp"
#include "l2_decay.hpp"
#include "rule.hpp"

namespace agmohd::rule {

/// Stochastic gradient descent with momentum (Sutskever et al. 2013), in PyTorch's form: the
/// learning rate multiplies the buffer, and the first gradient enters it undampened.
///   g <- g + weight_decay p,  b <- momentum b + (1 - dampening) g,  p <- p - lr b
/// With `nesterov` p <- p - lr (g + momentum b). Without momentum there is no buffer, and b is g.
struct SGD {
  struct Options {
    double momentum = 0;      ///< decay of the buffer; 0: no buffer
    double dampening = 0;     ///< part of the gradient that does not enter the buffer
    double weight_decay = 0;  ///< L2: weight_decay p is added to the gradient
    bool nesterov = false;    ///< look one step ahead; needs momentum above 0, dampening 0
    bool maximize = false;    ///< ascend: the gradient is negated
  };
  static constexpr double default_lr = 1e-3;
  static constexpr auto fields = describe(
      field("momentum", &Options::momentum, at_least(0)), field("dampening", &Options::dampening),
      field("weight_decay", &Options::weight_decay, at_least(0)),
      field("nesterov", &Options::nesterov), field("maximize", &Options::maximize));
  static const char* name() { return "SGD"; }
  static constexpr bool lazy = true;
  static void check(const Options& o) {
    if (o.nesterov && (o.momentum <= 0 || o.dampening != 0)) {
      refuse("nesterov = true with momentum = ", o.momentum, " and dampening = ", o.dampening,
             ", but it needs a momentum above 0 and a dampening of 0");
    }
  }

  static const char* needs(const Options& o, std::string_view name) {
    return name == "dampening" && o.momentum == 0 ? "momentum above 0" : nullptr;
  }

  template <class T>
  struct Slots {
    T momentum_buffer;
  };
  static constexpr std::array<const char*, 1> slot_names{"momentum_buffer"};
  static unsigned slots(const Options& o) { return o.momentum != 0 ? 1 : 0; }

  struct Memory {
    double begun = 0;  ///< 1: the buffer holds a gradient; the first one enters undampened
  };
  static Memory restore(const Options& o, std::int64_t step) {
    return {step > 0 && o.momentum != 0 ? 1.0 : 0.0};
  }
  /// torch.optim keeps no step for SGD. A state that holds a buffer is taken for one of step 1.
  static constexpr bool without_step = true;

  template <class R>
  struct Coefficients {
    /// -1 with maximize; of p, where it joins the gradient; decay of the buffer; weight of the
    /// gradient in the buffer, 1 - dampening or 1; of buffer and gradient in the update, 1 and 0
    /// but for Nesterov momentum.
    R sign, weight_decay, momentum, gain, mix_buffer, mix_gradient;
  };

  AGMOHD_HD static double beta1(const Options& o) { return o.momentum; }
  /// On a quadratic the heavy ball is stable up to a learning rate of 2 (1 + momentum) over the
  /// curvature, Nesterov's form up to 2 (1 + momentum) / (1 + 2 momentum), both from the roots of
  /// the recursion.
  AGMOHD_HD static double stable_step(const Options& o, double momentum) {
    return (1 + momentum) / (o.nesterov ? 1 + 2 * momentum : 1);
  }

  template <class R>
  AGMOHD_HD static Coefficients<R> at(const Options& o, const Now& now, Memory& m) {
    const double mu = now.blend.beta1;
    const double look = o.nesterov ? 1 : now.blend.look;
    const bool undampened = m.begun == 0 || mu == 0;
    m.begun = mu == 0 ? 0 : 1;
    return {R(o.maximize ? -1 : 1),
            R(o.weight_decay),
            R(mu),
            R(undampened ? 1 : 1 - o.dampening),
            R(1 - look + look * mu),
            R(look)};
  }

  template <Number T>
  AGMOHD_HD static void update(const T& p, const T& g, Slots<T>& s,
                               const Coefficients<Real<T>>& k) {
    s.momentum_buffer = k.momentum * s.momentum_buffer + k.gain * decayed(p, g, k);
  }

  template <Number T>
  AGMOHD_HD static T direction(const T& p, const T& g, const Slots<T>& s,
                               const Coefficients<Real<T>>& k) {
    if (k.mix_gradient == 0) return s.momentum_buffer;
    return k.mix_gradient * decayed(p, g, k) + k.mix_buffer * s.momentum_buffer;
  }
};
static_assert(Rule<SGD>);

}  // namespace agmohd::rule
