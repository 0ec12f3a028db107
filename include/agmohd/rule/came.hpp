// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cmath>
#include <cstdint>

#include "../policy/field.hpp"
#include "rule.hpp"

namespace agmohd::rule {

/// CAME (Luo et al. 2023, "CAME: confidence-guided adaptive memory efficient optimization",
/// algorithm 2):
///   v <- b2 v + (1 - b2) (g^2 + eps1),  u = g / sqrt(v),  u <- u / max(1, RMS(u) / d),
///   m <- b1 m + (1 - b1) u,  s <- b3 s + (1 - b3) ((u - m)^2 + eps2),
///   p <- (1 - lr weight_decay) p - lr m / sqrt(s)
/// with d = clip_threshold and the RMS of the tensor. Of a tensor of two or more dimensions v and s
/// are products of averages over the rows and columns of its last two, as Adafactor's v; m is
/// stored in full. Vectors and scalars store v and have no s: they move by lr m, as in the authors'
/// code. There is no bias correction: in the first steps m is small, and the root of s smaller.
///
/// As in the authors' code, g and m are multiplied with inverse roots of row / mean of rows and of
/// column, each made once a step, where the slot is factored. What is under these roots, and the v
/// of vectors, counts as at least 2^-126, of float64 parameters 2^-1022.
///
/// Rows and columns hold means; in the paper, sums. Averages of bfloat16 and float16 parameters are
/// float32.
struct CAME {
  struct Options {
    Pair betas{0.9, 0.999};     ///< decays of m and v
    double beta3 = 0.9999;      ///< decay of s
    Pair eps{1e-30, 1e-16};     ///< eps1 and eps2, added to the squares in v and s
    double clip_threshold = 1;  ///< largest RMS of u
    double weight_decay = 0;    ///< decoupled: p is multiplied with 1 - lr weight_decay
    bool maximize = false;      ///< ascend: the gradient is negated
  };
  static constexpr double default_lr = 2e-4;
  static constexpr auto fields =
      describe(field("betas", &Options::betas, in(0, 1)), field("beta3", &Options::beta3, in(0, 1)),
               field("eps", &Options::eps, above(0)),
               field("clip_threshold", &Options::clip_threshold, above(0)),
               field("weight_decay", &Options::weight_decay, at_least(0)),
               field("maximize", &Options::maximize));
  static const char* name() { return "CAME"; }
  static constexpr bool squares = true;

  template <class T>
  struct Slots {
    T exp_avg, exp_avg_sq, exp_avg_res;
  };
  static constexpr std::array<const char*, 3> slot_names{"exp_avg", "exp_avg_sq", "exp_avg_res"};
  static unsigned slots(const Options&) { return 3; }
  static constexpr int factored = 1, refactored = 2;
  static constexpr bool inverse_roots = true;
  static constexpr std::array<const char*, 4> factor_names{"exp_avg_sq_row", "exp_avg_sq_col",
                                                           "exp_avg_res_row", "exp_avg_res_col"};

  struct Memory {};
  static Memory restore(const Options&, std::int64_t) { return {}; }

  template <class R>
  struct Coefficients {
    R sign;                    ///< -1 with maximize
    R gain1, gain2, gain3;     ///< 1 - b1, 1 - b2, 1 - b3: weights of what is new in m, v and s
    R element_gain;            ///< gain2 where v is a slot; 0 where it is factored
    R mix_moment, mix_update;  ///< of m and u in the numerator; 1 and 0 but for Nesterov momentum
    R eps1, eps2;              ///< added to the squares
    R least;                   ///< bound of what is under a root; from suit() on
    R clip;                    ///< what u is multiplied with; from resize() on
    R clip_threshold, numel;   ///< largest RMS of u; elements of the tensor, from suit() on
  };

  AGMOHD_HD static double beta1(const Options& o) { return o.betas.first; }
  /// What the parameter is multiplied with in a step.
  AGMOHD_HD static double decay(const Options& o, double lr) { return 1 - lr * o.weight_decay; }

  template <class R>
  AGMOHD_HD static Coefficients<R> at(const Options& o, const Now& now, Memory&) {
    const double b1 = now.blend.beta1, b2 = o.betas.second, look = now.blend.look;
    return {R(o.maximize ? -1 : 1),
            R(1 - b1),
            R(1 - b2),
            R(1 - o.beta3),
            R(1 - b2),
            R(1 - look + look * b1),
            R(look * (1 - b1)),
            R(o.eps.first),
            R(o.eps.second),
            R(0),
            R(1),
            R(o.clip_threshold),
            R(0)};
  }
  template <class R>
  AGMOHD_HD static void suit(Coefficients<R>& k, const TensorKind& kind) {
    k.numel = R(kind.numel);
    if (kind.factored) k.element_gain = 0;
    k.least = R(kind.f64 ? 0x1p-1022 : 0x1p-126);
  }
  template <class R>
  AGMOHD_HD static AddingFactoring<R> factoring(const Coefficients<R>& k) {
    return {{k.gain2, k.least}, k.eps1};
  }
  template <class R>
  AGMOHD_HD static AddingFactoring<R> refactoring(const Coefficients<R>& k) {
    return {{k.gain3, k.least}, k.eps2};
  }
  template <class R>
  AGMOHD_HD static void resize(Coefficients<R>& k, double u2) {
    if (!(k.numel > 0)) return;
    const double size = std::sqrt(u2 / double(k.numel)) / double(k.clip_threshold);
    if (size > 1) k.clip = R(1 / size);
  }

  /// As Adam's: the last update in the metric of this step.
  template <class T>
  AGMOHD_HD static Slots<T> before(const Slots<T>& old, const Slots<T>& now) {
    return {old.exp_avg, now.exp_avg_sq, now.exp_avg_res};
  }

  /// u before it is clipped.
  template <Number T>
  AGMOHD_HD static T measured(const T& g, const Slots<T>& s, const Coefficients<Real<T>>& k) {
    return normalized(g, k.element_gain == 0 ? s.exp_avg_sq : average(g, s.exp_avg_sq, k), k);
  }
  template <Number T>
  AGMOHD_HD static T residual(const T& g, const Slots<T>& s, const Coefficients<Real<T>>& k) {
    const T u = k.clip * (k.sign * g * s.exp_avg_sq);  // it is factored
    return u - (s.exp_avg + k.gain1 * (u - s.exp_avg));
  }
  template <Number T>
  AGMOHD_HD static void update(const T& /*p*/, const T& g, Slots<T>& s,
                               const Coefficients<Real<T>>& k) {
    if (k.element_gain != 0) s.exp_avg_sq = average(g, s.exp_avg_sq, k);
    const T u = k.clip * normalized(g, s.exp_avg_sq, k);
    s.exp_avg = s.exp_avg + k.gain1 * (u - s.exp_avg);
  }
  template <Number T>
  AGMOHD_HD static T direction(const T& /*p*/, const T& g, const Slots<T>& s,
                               const Coefficients<Real<T>>& k) {
    const T m = k.mix_update == 0 ? s.exp_avg
                                  : T(k.mix_moment * s.exp_avg +
                                      k.mix_update * (k.clip * normalized(g, s.exp_avg_sq, k)));
    if (k.element_gain != 0) return m;
    return m * s.exp_avg_res;
  }

 private:
  template <Number T>
  AGMOHD_HD static T average(const T& g, const T& v, const Coefficients<Real<T>>& k) {
    return v + k.element_gain * (g * g + math::like(g, k.eps1) - v);
  }
  /// v: the slot, or where it is factored its inverse root.
  template <Number T>
  AGMOHD_HD static T normalized(const T& g, const T& v, const Coefficients<Real<T>>& k) {
    if (k.element_gain == 0) return k.sign * g * v;
    return k.sign * g / math::sqrt(math::max(v, math::like(g, k.least)));
  }
};
static_assert(Rule<CAME> && has::residual<CAME> && has::inverse_roots<CAME>);

}  // namespace agmohd::rule
