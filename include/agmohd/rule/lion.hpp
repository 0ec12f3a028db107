// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>

#include "../policy/field.hpp"
#include "rule.hpp"

namespace agmohd::rule {

/// Lion (Chen et al. 2023, "Symbolic discovery of optimization algorithms", algorithm 2):
///   p <- (1 - lr weight_decay) p - lr sign(b1 m + (1 - b1) g),  m <- b2 m + (1 - b2) g
/// The direction uses m before g joins it, so m moves on in `write`. The paper finds good learning
/// rates at a third to a tenth of AdamW's, with a weight decay larger by the same factor. Lion
/// looks ahead by itself: momentum::Nesterov changes nothing, and no policy lowers its momentum.
struct Lion {
  struct Options {
    Pair betas{0.9, 0.99};    ///< weights of m in the direction, and in m's own update
    double weight_decay = 0;  ///< decoupled: p is multiplied with 1 - lr weight_decay
    bool maximize = false;    ///< ascend: the gradient is negated
  };
  static constexpr double default_lr = 1e-4;
  static constexpr auto fields =
      describe(field("betas", &Options::betas, in(0, 1)),
               field("weight_decay", &Options::weight_decay, at_least(0)),
               field("maximize", &Options::maximize));
  static const char* name() { return "Lion"; }

  template <class T>
  struct Slots {
    T exp_avg;
  };
  static constexpr std::array<const char*, 1> slot_names{"exp_avg"};
  static unsigned slots(const Options&) { return 1; }

  struct Memory {};
  static Memory restore(const Options&, std::int64_t) { return {}; }

  template <class R>
  struct Coefficients {
    R sign;          ///< -1 with maximize
    R gain1, gain2;  ///< 1 - b1, 1 - b2: weights of the new gradient in the two means
  };

  AGMOHD_HD static double beta1(const Options& o) { return o.betas.first; }
  /// What the parameter is multiplied with in a step.
  AGMOHD_HD static double decay(const Options& o, double lr) { return 1 - lr * o.weight_decay; }

  template <class R>
  AGMOHD_HD static Coefficients<R> at(const Options& o, const Now& now, Memory&) {
    return {R(o.maximize ? -1 : 1), R(1 - now.blend.beta1), R(1 - o.betas.second)};
  }

  template <Number T>
  AGMOHD_HD static void update(const T& /*p*/, const T& /*g*/, Slots<T>& /*s*/,
                               const Coefficients<Real<T>>& /*k*/) {}
  template <Number T>
  AGMOHD_HD static T direction(const T& /*p*/, const T& g, const Slots<T>& s,
                               const Coefficients<Real<T>>& k) {
    return math::sign(T(s.exp_avg + k.gain1 * (k.sign * g - s.exp_avg)));
  }
  template <Number T>
  AGMOHD_HD static T write(const T& p, const T& g, const T& u, Slots<T>& s,
                           const Coefficients<Real<T>>& k, Real<T> lr, Real<T> decay) {
    s.exp_avg = s.exp_avg + k.gain2 * (k.sign * g - s.exp_avg);
    return decay * p - lr * u;
  }
};
static_assert(Rule<Lion> && has::write<Lion>);

}  // namespace agmohd::rule
