// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>

#include "../policy/field.hpp"
#include "moments.hpp"
#include "rule.hpp"

namespace agmohd::rule {

/// Adam-mini (Zhang et al. 2024, "Adam-mini: use fewer learning rates to gain more", algorithm 1):
/// AdamW with one second moment for each row, the mean of g^2 over it:
///   m <- b1 m + (1 - b1) g,  v[row] <- b2 v[row] + (1 - b2) mean(g[row]^2),
///   p <- (1 - lr weight_decay) p - lr m / (1 - b1^t) / (sqrt(v[row] / (1 - b2^t)) + eps)
/// A row is what one index of the first dimension names: an output neuron of a linear or
/// convolution layer, a token of an embedding. Vectors and scalars are one row.
///
/// The authors' package adam-mini finds its blocks by the names of parameters. Rows are its blocks
/// of embeddings, output, value, projection and MLP layers, one block a tensor those of norms. Of
/// queries and keys it takes a block a head, which is coarser, of biases each element, which is
/// finer; and it decays neither biases nor norms: give them a group without weight decay.
/// Averages of bfloat16 and float16 parameters are float32.
struct AdamMini {
  struct Options {
    Pair betas{0.9, 0.999};   ///< decays of the two moments
    double eps = 1e-8;        ///< added to the root; bounds the step where gradients vanish
    double weight_decay = 0;  ///< decoupled: p is multiplied with 1 - lr weight_decay
    bool maximize = false;    ///< ascend: the gradient is negated
  };
  static constexpr double default_lr = 1e-3;
  static constexpr auto fields =
      describe(field("betas", &Options::betas, in(0, 1)), field("eps", &Options::eps, at_least(0)),
               field("weight_decay", &Options::weight_decay, at_least(0)),
               field("maximize", &Options::maximize));
  static const char* name() { return "AdamMini"; }
  static constexpr bool squares = true;

  template <class T>
  struct Slots {
    T exp_avg, exp_avg_sq;
  };
  static constexpr std::array<const char*, 2> slot_names{"exp_avg", "exp_avg_sq"};
  static unsigned slots(const Options&) { return 3; }
  static constexpr int factored = 1;
  static constexpr std::array<const char*, 1> factor_names{"exp_avg_sq_row"};

  using Memory = Moments::Memory;
  static Memory restore(const Options& o, std::int64_t step) {
    return Moments::restore(o.betas, step);
  }

  template <class R>
  struct Coefficients {
    R sign;  ///< -1 with maximize
    Moments::Coefficients<R> moments;
  };

  AGMOHD_HD static double beta1(const Options& o) { return o.betas.first; }
  AGMOHD_HD static double stable_step(const Options& o, double b1) {
    return Moments::stable_step(o, b1);
  }
  /// What the parameter is multiplied with in a step.
  AGMOHD_HD static double decay(const Options& o, double lr) { return 1 - lr * o.weight_decay; }

  template <class R>
  AGMOHD_HD static Coefficients<R> at(const Options& o, const Now& now, Memory& m) {
    return {R(o.maximize ? -1 : 1), Moments::at<R>(o.betas, o.eps, now, m)};
  }
  template <class R>
  AGMOHD_HD static void suit(Coefficients<R>&, const TensorKind&) {}
  template <class R>
  AGMOHD_HD static Factoring<R> factoring(const Coefficients<R>& k) {
    return {k.moments.gain2, R(0)};
  }

  /// As Adam's: the last update in the metric of this step.
  template <class T>
  AGMOHD_HD static Slots<T> before(const Slots<T>& old, const Slots<T>& now) {
    return {old.exp_avg, now.exp_avg_sq};
  }

  template <Number T>
  AGMOHD_HD static void update(const T& /*p*/, const T& g, Slots<T>& s,
                               const Coefficients<Real<T>>& k) {
    s.exp_avg = s.exp_avg + k.moments.gain1 * (k.sign * g - s.exp_avg);
  }
  template <Number T>
  AGMOHD_HD static T direction(const T& /*p*/, const T& g, const Slots<T>& s,
                               const Coefficients<Real<T>>& k) {
    const auto& c = k.moments;
    const T moment = c.mix_gradient == 0
                         ? s.exp_avg
                         : T(c.mix_moment * s.exp_avg + c.mix_gradient * (k.sign * g));
    return c.scale1 * moment / (c.scale2 * math::sqrt(s.exp_avg_sq) + math::like(g, c.eps));
  }
};
static_assert(Rule<AdamMini> && has::factored<AdamMini>);

}  // namespace agmohd::rule
