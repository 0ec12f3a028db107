// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>

#include "../policy/field.hpp"
#include "l2_decay.hpp"
#include "rule.hpp"

namespace agmohd::rule {

/// Adagrad (Duchi et al. 2011, figure 1, the diagonal form) as PyTorch has it, eps outside the root
/// and a learning rate that decays with the tensor's step t:
///   v <- v + g^2,  p <- p - lr / (1 + (t - 1) lr_decay) g / (sqrt(v) + eps)
/// Weight decay is L2: g <- g + weight_decay p.
struct Adagrad {
  struct Options {
    double lr_decay = 0;                   ///< the rate is divided by 1 + (t - 1) lr_decay
    double weight_decay = 0;               ///< L2: weight_decay p is added to the gradient
    double initial_accumulator_value = 0;  ///< the value that v begins with
    double eps = 1e-10;                    ///< added to the root
    bool maximize = false;                 ///< ascend: the gradient is negated
  };
  static constexpr double default_lr = 1e-2;
  static constexpr auto fields =
      describe(field("lr_decay", &Options::lr_decay, at_least(0)),
               field("weight_decay", &Options::weight_decay, at_least(0)),
               field("initial_accumulator_value", &Options::initial_accumulator_value, at_least(0)),
               field("eps", &Options::eps, at_least(0)), field("maximize", &Options::maximize));
  static const char* name() { return "Adagrad"; }
  static constexpr bool squares = true;
  static constexpr bool lazy = true;

  template <class T>
  struct Slots {
    T sum;
  };
  static constexpr std::array<const char*, 1> slot_names{"sum"};
  static unsigned slots(const Options&) { return 1; }
  static double initial(const Options& o, int /*slot*/) { return o.initial_accumulator_value; }

  struct Memory {};
  static Memory restore(const Options&, std::int64_t) { return {}; }

  template <class R>
  struct Coefficients {
    R sign;          ///< -1 with maximize
    R weight_decay;  ///< of p, where it joins the gradient
    R eps;           ///< added to the root
  };

  AGMOHD_HD static double lr(const Options& o, const Now& now) {
    return now.lr / (1 + double(now.step - 1) * o.lr_decay);
  }

  template <class R>
  AGMOHD_HD static Coefficients<R> at(const Options& o, const Now&, Memory&) {
    return {R(o.maximize ? -1 : 1), R(o.weight_decay), R(o.eps)};
  }

  template <Number T>
  AGMOHD_HD static void update(const T& p, const T& g, Slots<T>& s,
                               const Coefficients<Real<T>>& k) {
    const T h = decayed(p, g, k);
    s.sum = s.sum + h * h;
  }
  template <Number T>
  AGMOHD_HD static T direction(const T& p, const T& g, const Slots<T>& s,
                               const Coefficients<Real<T>>& k) {
    return decayed(p, g, k) / (math::sqrt(s.sum) + math::like(g, k.eps));
  }
};
static_assert(Rule<Adagrad> && has::initial<Adagrad>);

}  // namespace agmohd::rule
