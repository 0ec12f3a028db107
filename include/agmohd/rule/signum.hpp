// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>

#include "../policy/field.hpp"
#include "rule.hpp"

namespace agmohd::rule {

/// Signum (Bernstein et al. 2018, "signSGD: compressed optimisation for non-convex problems",
/// algorithm 2); without momentum signSGD, algorithm 1:
///   b <- momentum b + (1 - momentum) g,  p <- (1 - lr weight_decay) p - lr sign(b)
/// The sign of 0 is 0. Weight decay is decoupled, as in MXNet's Signum (its wd_lh).
struct Signum {
  struct Options {
    double momentum = 0.9;    ///< decay of the buffer; 0: no buffer, the sign of the gradient
    double weight_decay = 0;  ///< decoupled: p is multiplied with 1 - lr weight_decay
    bool maximize = false;    ///< ascend: the gradient is negated
  };
  static constexpr double default_lr = 1e-3;
  static constexpr auto fields =
      describe(field("momentum", &Options::momentum, in(0, 1)),
               field("weight_decay", &Options::weight_decay, at_least(0)),
               field("maximize", &Options::maximize));
  static const char* name() { return "Signum"; }

  template <class T>
  struct Slots {
    T momentum_buffer;
  };
  static constexpr std::array<const char*, 1> slot_names{"momentum_buffer"};
  static unsigned slots(const Options& o) { return o.momentum != 0 ? 1 : 0; }

  struct Memory {};
  static Memory restore(const Options&, std::int64_t) { return {}; }

  template <class R>
  struct Coefficients {
    R sign;                      ///< -1 with maximize
    R gain;                      ///< 1 - momentum: weight of the new gradient in the buffer
    R mix_buffer, mix_gradient;  ///< of b and g under the sign; 1 and 0 but for Nesterov momentum
  };

  AGMOHD_HD static double beta1(const Options& o) { return o.momentum; }
  /// What the parameter is multiplied with in a step.
  AGMOHD_HD static double decay(const Options& o, double lr) { return 1 - lr * o.weight_decay; }

  template <class R>
  AGMOHD_HD static Coefficients<R> at(const Options& o, const Now& now, Memory&) {
    const double mu = now.blend.beta1, look = now.blend.look;
    return {R(o.maximize ? -1 : 1), R(1 - mu), R(1 - look + look * mu), R(look * (1 - mu))};
  }

  template <Number T>
  AGMOHD_HD static void update(const T& /*p*/, const T& g, Slots<T>& s,
                               const Coefficients<Real<T>>& k) {
    s.momentum_buffer = s.momentum_buffer + k.gain * (k.sign * g - s.momentum_buffer);
  }
  template <Number T>
  AGMOHD_HD static T direction(const T& /*p*/, const T& g, const Slots<T>& s,
                               const Coefficients<Real<T>>& k) {
    if (k.mix_gradient == 0) return math::sign(s.momentum_buffer);
    return math::sign(T(k.mix_buffer * s.momentum_buffer + k.mix_gradient * (k.sign * g)));
  }
};
static_assert(Rule<Signum>);

}  // namespace agmohd::rule
