// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>

#include "../policy/field.hpp"
#include "rule.hpp"

namespace agmohd::rule {

/// Rprop (Riedmiller & Braun 1993) as PyTorch has it: every element has a step size d,
/// which grows while the sign of its gradient stays and shrinks where it changes. There the element
/// rests for a step, since the last update was too long:
///   d <- d etas[1] if g prev > 0, d etas[0] if g prev < 0, then within step_sizes,
///   prev <- 0 if g prev < 0, else g,  p <- p - d sign(prev)
/// That is iRprop- (Igel & Huesken 2000); Riedmiller & Braun also take the last update back. For
/// gradients of the whole data set: those of batches change their signs by chance. The learning
/// rate is the d of the tensor's first step. Later ones, as schedules make them, change nothing.
struct Rprop {
  struct Options {
    Pair etas{0.5, 1.2};        ///< factors by which d shrinks and grows, below and above 1
    Pair step_sizes{1e-6, 50};  ///< least and largest d
    bool maximize = false;      ///< ascend: the gradient is negated
  };
  static constexpr double default_lr = 1e-2;
  static constexpr auto fields = describe(field("etas", &Options::etas, above(0)),
                                          field("step_sizes", &Options::step_sizes, at_least(0)),
                                          field("maximize", &Options::maximize));
  static const char* name() { return "Rprop"; }
  static void check(const Options& o) {
    if (o.etas.first >= 1 || o.etas.second <= 1) {
      refuse("etas = (", o.etas.first, ", ", o.etas.second,
             "), but the first must be below 1 and the second above");
    }
    if (o.step_sizes.first > o.step_sizes.second) {
      refuse("step_sizes = (", o.step_sizes.first, ", ", o.step_sizes.second,
             "), but the first must not be above the second");
    }
  }

  template <class T>
  struct Slots {
    T prev, step_size;
  };
  static constexpr std::array<const char*, 2> slot_names{"prev", "step_size"};
  static unsigned slots(const Options&) { return 3; }

  struct Memory {};
  static Memory restore(const Options&, std::int64_t) { return {}; }

  template <class R>
  struct Coefficients {
    R sign;            ///< -1 with maximize
    R first, begin;    ///< 1 in the tensor's first step, where d begins; with what, the rate
    R shrink, grow;    ///< factors of d
    R least, largest;  ///< bounds of d
  };

  template <class R>
  AGMOHD_HD static Coefficients<R> at(const Options& o, const Now& now, Memory&) {
    return {R(o.maximize ? -1 : 1), R(now.step == 1 ? 1 : 0), R(now.lr),
            R(o.etas.first),        R(o.etas.second),         R(o.step_sizes.first),
            R(o.step_sizes.second)};
  }

  template <Number T>
  AGMOHD_HD static void update(const T& /*p*/, const T& g, Slots<T>& s,
                               const Coefficients<Real<T>>& k) {
    if (k.first != 0) s.step_size = math::like(g, k.begin);
    const T h = k.sign * g, zero = math::like(g, Real<T>(0));
    const T turn = h * s.prev;
    const T size = math::select(turn > zero, T(k.grow * s.step_size),
                                math::select(turn < zero, T(k.shrink * s.step_size), s.step_size));
    s.step_size = math::min(math::max(size, math::like(g, k.least)), math::like(g, k.largest));
    s.prev = math::select(turn < zero, zero, h);
  }
  template <Number T>
  AGMOHD_HD static T direction(const T& /*p*/, const T& /*g*/, const Slots<T>& s,
                               const Coefficients<Real<T>>& /*k*/) {
    return math::sign(s.prev) * s.step_size;
  }
  template <Number T>
  AGMOHD_HD static T write(const T& p, const T& /*g*/, const T& u, Slots<T>& /*s*/,
                           const Coefficients<Real<T>>& /*k*/, Real<T> /*lr*/, Real<T> /*decay*/) {
    return p - u;
  }
};
static_assert(Rule<Rprop> && has::write<Rprop>);

}  // namespace agmohd::rule
