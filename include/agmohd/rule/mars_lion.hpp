// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>

#include "../policy/field.hpp"
#include "rule.hpp"
#include "variance_reduction.hpp"

namespace agmohd::rule {

/// MARS-Lion (Yuan et al. 2024, "MARS: unleashing the power of variance reduction for training
/// large models", MARS-approx), steps of one size on a corrected gradient c, see VarianceReduction:
///   c = g + gamma b1 / (1 - b1) (g - g'),  c <- c / max(1, |c|),
///   m <- b1 m + (1 - b1) c,  p <- (1 - lr weight_decay) p - lr sign(m)
/// It has no second decay: what Lion has of two, c has of gamma. The authors tuned MARS-AdamW and
/// have its learning rate here, too. momentum::Nesterov changes nothing.
struct MARSLion {
  struct Options {
    double beta1 = 0.95;      ///< decay of m
    double gamma = 0.025;     ///< strength of the correction by the last gradient
    double weight_decay = 0;  ///< decoupled: p is multiplied with 1 - lr weight_decay
    bool maximize = false;    ///< ascend: the gradient is negated
  };
  static constexpr double default_lr = 3e-3;
  static constexpr auto fields = describe(
      field("beta1", &Options::beta1, in(0, 1)), field("gamma", &Options::gamma, at_least(0)),
      field("weight_decay", &Options::weight_decay, at_least(0)),
      field("maximize", &Options::maximize));
  static const char* name() { return "MARSLion"; }

  template <class T>
  struct Slots {
    T exp_avg;
    T last_grad;  ///< g', negated with maximize
  };
  static constexpr std::array<const char*, 2> slot_names{"exp_avg", "last_grad"};
  static unsigned slots(const Options&) { return 3; }

  struct Memory {
    double begun = 0;  ///< 1: last_grad holds a gradient
    constexpr void members(auto&& f) { f("begun", begun); }
  };
  static Memory restore(const Options&, std::int64_t step) { return {step > 0 ? 1.0 : 0.0}; }

  /// Of `summed`, too.
  template <class R>
  using Summing = VarianceReduction<R>;
  template <class R>
  struct Coefficients {
    VarianceReduction<R> reduction;
    R scale;  ///< 1 / max(1, |c|)
    R gain1;  ///< 1 - b1: weight of c in m
  };

  AGMOHD_HD static double beta1(const Options& o) { return o.beta1; }
  /// What the parameter is multiplied with in a step.
  AGMOHD_HD static double decay(const Options& o, double lr) { return 1 - lr * o.weight_decay; }

  template <class R>
  AGMOHD_HD static Summing<R> summing(const Options& o, const Memory& m) {
    return Summing<R>::at(o.beta1, o.gamma, o.maximize, m.begun != 0);
  }
  template <Number T>
  AGMOHD_HD static T summed(const T& g, const Slots<T>& s, const Summing<Real<T>>& k) {
    const T c = k.corrected(g, s.last_grad);
    return c * c;
  }

  template <class R>
  AGMOHD_HD static Coefficients<R> at(const Options& o, const Now& now, Memory& m) {
    const auto reduction = summing<R>(o, m);  // from the memory before this step
    m.begun = 1;
    return {reduction, R(to_unit_norm(now)), R(1 - now.blend.beta1)};
  }

  template <Number T>
  AGMOHD_HD static void update(const T& /*p*/, const T& g, Slots<T>& s,
                               const Coefficients<Real<T>>& k) {
    const T c = k.scale * k.reduction.corrected(g, s.last_grad);
    s.exp_avg = s.exp_avg + k.gain1 * (c - s.exp_avg);
    s.last_grad = k.reduction.sign * g;
  }
  template <Number T>
  AGMOHD_HD static T direction(const T& /*p*/, const T& /*g*/, const Slots<T>& s,
                               const Coefficients<Real<T>>& /*k*/) {
    return math::sign(s.exp_avg);
  }
};
static_assert(Rule<MARSLion> && has::summed<MARSLion>);

}  // namespace agmohd::rule
