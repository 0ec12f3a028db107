// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>

#include "../policy/field.hpp"
#include "../policy/power.hpp"
#include "l2_decay.hpp"
#include "rule.hpp"

namespace agmohd::rule {

/// Averaged stochastic gradient descent (Polyak & Juditsky 1992; the rates are those of Bottou's
/// sgd 2.0, see Xu 2011) as PyTorch has it:
///   p <- (1 - lambd eta) p - eta g,  eta = lr / (1 + lambd lr (t - 1))^alpha,
///   ax <- ax + mu (p - ax),  mu = 1 / max(1, t - 1 - t0)
/// Training goes on from p; ax, p itself at first and its mean from step t0 + 2 on, is what one
/// takes in the end. eta and mu are functions of the step and the rate, so the state holds neither.
/// In PyTorch, which holds both, a rate that changes takes effect one step later.
/// Weight decay is L2: g <- g + weight_decay p.
struct ASGD {
  struct Options {
    double lambd = 1e-4;      ///< p is multiplied with 1 - lambd eta; also how fast eta falls
    double alpha = 0.75;      ///< power by which eta falls
    double t0 = 1e6;          ///< steps before ax begins to average
    double weight_decay = 0;  ///< L2: weight_decay p is added to the gradient
    bool maximize = false;    ///< ascend: the gradient is negated
  };
  static constexpr double default_lr = 1e-2;
  static constexpr auto fields =
      describe(field("lambd", &Options::lambd, at_least(0)),
               field("alpha", &Options::alpha, at_least(0)), field("t0", &Options::t0, at_least(0)),
               field("weight_decay", &Options::weight_decay, at_least(0)),
               field("maximize", &Options::maximize));
  static const char* name() { return "ASGD"; }

  template <class T>
  struct Slots {
    T ax;
  };
  static constexpr std::array<const char*, 1> slot_names{"ax"};
  static unsigned slots(const Options&) { return 1; }

  struct Memory {};
  static Memory restore(const Options&, std::int64_t) { return {}; }

  template <class R>
  struct Coefficients {
    R sign;          ///< -1 with maximize
    R weight_decay;  ///< of p, where it joins the gradient
    R mu;            ///< weight of the new p in ax; 1: ax is p
  };

  /// eta
  AGMOHD_HD static double lr(const Options& o, const Now& now) {
    return now.lr / math::pow(1 + o.lambd * now.lr * double(now.step - 1), o.alpha);
  }
  /// What the parameter is multiplied with in a step.
  AGMOHD_HD static double decay(const Options& o, double eta) { return 1 - o.lambd * eta; }

  template <class R>
  AGMOHD_HD static Coefficients<R> at(const Options& o, const Now& now, Memory&) {
    const double averaged = double(now.step - 1) - o.t0;
    return {R(o.maximize ? -1 : 1), R(o.weight_decay), R(averaged > 1 ? 1 / averaged : 1)};
  }

  template <Number T>
  AGMOHD_HD static void update(const T& /*p*/, const T& /*g*/, Slots<T>& /*s*/,
                               const Coefficients<Real<T>>& /*k*/) {}
  template <Number T>
  AGMOHD_HD static T direction(const T& p, const T& g, const Slots<T>& /*s*/,
                               const Coefficients<Real<T>>& k) {
    return decayed(p, g, k);
  }
  template <Number T>
  AGMOHD_HD static T write(const T& p, const T& /*g*/, const T& u, Slots<T>& s,
                           const Coefficients<Real<T>>& k, Real<T> eta, Real<T> decay) {
    const T next = decay * p - eta * u;
    s.ax = k.mu == 1 ? next : T(s.ax + k.mu * (next - s.ax));
    return next;
  }
};
static_assert(Rule<ASGD> && has::lr<ASGD> && has::write<ASGD>);

}  // namespace agmohd::rule
