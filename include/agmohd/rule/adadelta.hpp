// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>

#include "../policy/field.hpp"
#include "l2_decay.hpp"
#include "rule.hpp"

namespace agmohd::rule {

/// Adadelta (Zeiler 2012, algorithm 1): the root mean square of earlier updates over that of
/// gradients, so that an update has the parameter's unit and `lr` none,
///   v <- rho v + (1 - rho) g^2,  u = sqrt(d + eps) / sqrt(v + eps) g,  p <- p - lr u,
///   d <- rho d + (1 - rho) u^2
/// The direction uses d before u joins it, so d moves on in `write`. `lr` is PyTorch's; the paper
/// has none. Weight decay is L2: g <- g + weight_decay p.
struct Adadelta {
  struct Options {
    double rho = 0.9;         ///< decay of the running means
    double eps = 1e-6;        ///< added within the roots; what the first steps are made of
    double weight_decay = 0;  ///< L2: weight_decay p is added to the gradient
    bool maximize = false;    ///< ascend: the gradient is negated
  };
  static constexpr double default_lr = 1;
  static constexpr auto fields =
      describe(field("rho", &Options::rho, between(0, 1)), field("eps", &Options::eps, at_least(0)),
               field("weight_decay", &Options::weight_decay, at_least(0)),
               field("maximize", &Options::maximize));
  static const char* name() { return "Adadelta"; }
  static constexpr bool squares = true;

  template <class T>
  struct Slots {
    T square_avg, acc_delta;
  };
  static constexpr std::array<const char*, 2> slot_names{"square_avg", "acc_delta"};
  static unsigned slots(const Options&) { return 3; }

  struct Memory {};
  static Memory restore(const Options&, std::int64_t) { return {}; }

  template <class R>
  struct Coefficients {
    R sign;          ///< -1 with maximize
    R weight_decay;  ///< of p, where it joins the gradient
    R rho, gain;     ///< decay of v and d; weight of the new square: 1 - rho
    R eps;           ///< added within the roots
  };

  template <class R>
  AGMOHD_HD static Coefficients<R> at(const Options& o, const Now&, Memory&) {
    return {R(o.maximize ? -1 : 1), R(o.weight_decay), R(o.rho), R(1 - o.rho), R(o.eps)};
  }

  template <Number T>
  AGMOHD_HD static void update(const T& p, const T& g, Slots<T>& s,
                               const Coefficients<Real<T>>& k) {
    const T h = decayed(p, g, k);
    s.square_avg = k.rho * s.square_avg + k.gain * (h * h);
  }
  template <Number T>
  AGMOHD_HD static T direction(const T& p, const T& g, const Slots<T>& s,
                               const Coefficients<Real<T>>& k) {
    const T eps = math::like(g, k.eps);
    return math::sqrt(T(s.acc_delta + eps)) / math::sqrt(T(s.square_avg + eps)) * decayed(p, g, k);
  }
  template <Number T>
  AGMOHD_HD static T write(const T& p, const T& /*g*/, const T& u, Slots<T>& s,
                           const Coefficients<Real<T>>& k, Real<T> lr, Real<T> decay) {
    s.acc_delta = k.rho * s.acc_delta + k.gain * (u * u);
    return decay * p - lr * u;
  }
};
static_assert(Rule<Adadelta> && has::write<Adadelta>);

}  // namespace agmohd::rule
