// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cmath>
#include <cstdint>

#include "../policy/field.hpp"
#include "../policy/power.hpp"
#include "rule.hpp"

namespace agmohd::rule {

/// Adafactor (Shazeer & Stern 2018, algorithms 4 and 5) as torch.optim.Adafactor has it:
///   v <- (1 - t^c) v + t^c g^2,  u = g / max(sqrt(v), eps1),  rho = min(lr, 1 / sqrt(t)),
///   p <- (1 - lr weight_decay) p - rho max(eps2, RMS(p)) / max(1, RMS(u) / d) u
/// with c = beta2_decay and the RMS of the tensor. Of a tensor of two or more dimensions v is the
/// product of averages over the rows and columns of its last two, which are all that is stored.
///
/// As in PyTorch and unlike the paper, lr is the largest rho, which there is 0.01; eps1 is a lower
/// bound, of the mean of row averages too, where the paper adds eps1 to g^2; weight decay is
/// decoupled and has the plain lr. Unlike PyTorch, averages of bfloat16 and float16 parameters are
/// float32, and so is eps1 by default; the product of the averages does not leave float's range.
/// There is no first moment.
struct Adafactor {
  struct Options {
    double beta2_decay = -0.8;  ///< c: the new g^2 has the weight t^c in step t
    Pair eps{0, 1e-3};  ///< eps1, least root of v, and eps2, least RMS(p); eps1 = 0 stands for
                        ///< 2^-23, of float64 parameters 2^-52, PyTorch's None
    double d = 1;       ///< largest RMS of u
    double weight_decay = 0;  ///< decoupled: p is multiplied with 1 - lr weight_decay
    bool maximize = false;    ///< ascend: the gradient is negated
  };
  static constexpr double default_lr = 1e-2;
  static constexpr auto fields =
      describe(field("beta2_decay", &Options::beta2_decay, at_most(0)),
               field("eps", &Options::eps, at_least(0)), field("d", &Options::d, at_least(1)),
               field("weight_decay", &Options::weight_decay, at_least(0)),
               field("maximize", &Options::maximize));
  static const char* name() { return "Adafactor"; }
  static constexpr bool squares = true;

  template <class T>
  struct Slots {
    T variance;
  };
  static constexpr std::array<const char*, 1> slot_names{"variance"};
  static unsigned slots(const Options&) { return 1; }
  static constexpr int factored = 0;
  static constexpr std::array<const char*, 2> factor_names{"row_var", "col_var"};

  struct Memory {};
  static Memory restore(const Options&, std::int64_t) { return {}; }

  template <class R>
  struct Coefficients {
    R sign;          ///< -1 with maximize
    R gain;          ///< t^c: weight of the new g^2 in v
    R element_gain;  ///< the same where v is a slot; 0 where it is factored
    R eps1, eps2;    ///< least root of v, least RMS(p); eps1 from suit() on
    R rate;          ///< rho / lr
    R numel;         ///< of the tensor; from suit() on
  };

  /// What the parameter is multiplied with in a step.
  AGMOHD_HD static double decay(const Options& o, double lr) { return 1 - lr * o.weight_decay; }

  template <class R>
  AGMOHD_HD static Coefficients<R> at(const Options& o, const Now& now, Memory&) {
    const double t = double(now.step), gain = math::pow(t, o.beta2_decay);
    const double most = 1 / std::sqrt(t);
    return {R(o.maximize ? -1 : 1),
            R(gain),
            R(gain),
            R(o.eps.first),
            R(o.eps.second),
            R(now.lr > most ? most / now.lr : 1),
            R(0)};
  }
  template <class R>
  AGMOHD_HD static void suit(Coefficients<R>& k, const TensorKind& kind) {
    k.numel = R(kind.numel);
    if (kind.factored) k.element_gain = 0;
    if (k.eps1 == 0) k.eps1 = R(kind.f64 ? 0x1p-52 : 0x1p-23);
    const R least = R(kind.f64 ? 0x1p-511 : 0x1p-63);  // its square is a normal number
    if (k.eps1 < least) k.eps1 = least;
  }
  template <class R>
  AGMOHD_HD static Factoring<R> factoring(const Coefficients<R>& k) {
    return {k.gain, k.eps1};
  }
  template <class R>
  AGMOHD_HD static double second(const Options& o, const Coefficients<R>& k, double p2, double u2) {
    if (!(k.numel > 0)) return 1;
    const double p = std::sqrt(p2 / double(k.numel)), u = std::sqrt(u2 / double(k.numel)) / o.d;
    const double least = double(k.eps2);
    return double(k.rate) * (p > least ? p : least) / (u > 1 ? u : 1);
  }

  template <Number T>
  AGMOHD_HD static void update(const T& /*p*/, const T& g, Slots<T>& s,
                               const Coefficients<Real<T>>& k) {
    if (k.element_gain == 0) return;
    s.variance = s.variance + k.element_gain * (g * g - s.variance);
  }
  template <Number T>
  AGMOHD_HD static T direction(const T& /*p*/, const T& g, const Slots<T>& s,
                               const Coefficients<Real<T>>& k) {
    return k.sign * g / math::sqrt(math::max(s.variance, math::like(g, k.eps1 * k.eps1)));
  }
};
static_assert(Rule<Adafactor> && has::second<Adafactor> && has::factored<Adafactor>);

}  // namespace agmohd::rule
