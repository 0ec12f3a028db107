// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cmath>
#include <cstdint>

#include "../policy/field.hpp"
#include "../policy/number.hpp"
#include "../policy/signals.hpp"
#include "l2_decay.hpp"
#include "rule.hpp"

namespace agmohd::rule {

/// LARS (You et al. 2017, "Large batch training of convolutional networks", algorithm 1): SGD with
/// momentum whose gradient is scaled, tensor by tensor, to the norm of the parameter,
///   q = trust_coeff |p| / (|g| + weight_decay |p| + eps),
///   b <- momentum b + q (g + weight_decay p),  p <- p - lr b
/// q is 1 where |p| or |g| is 0, and in groups without weight decay, those of norms and biases,
/// unless `always_adapt`. |g| is the norm after the transforms. With `trust_clip` q is min(q / lr,
/// 1), LARC of NVIDIA's apex. As in timm 1.0.31 and pytorch-optimizer 4.1.0 lr multiplies the
/// buffer, as PyTorch's SGD has it; in the paper it enters the buffer. timm's momentum is 0 by
/// default, the paper's 0.9; its dampening is left out. pytorch-optimizer has no eps, and adapts by
/// the number of dimensions. For |p| the reduce pass reads the parameter as well.
struct LARS {
  struct Options {
    double momentum = 0.9;      ///< decay of the buffer; 0: no buffer
    double weight_decay = 0;    ///< L2: weight_decay p is added to the gradient
    double trust_coeff = 1e-3;  ///< q's factor, eta in the paper
    double eps = 1e-8;          ///< added to q's denominator
    bool nesterov = false;      ///< look one step ahead; needs momentum above 0
    bool trust_clip = false;    ///< bound the tensor's rate lr q by lr, and take lr out of q
    bool always_adapt = false;  ///< q also without weight decay
    bool maximize = false;      ///< ascend: the gradient is negated
  };
  static constexpr double default_lr = 1;
  static constexpr auto fields = describe(
      field("momentum", &Options::momentum, at_least(0)),
      field("weight_decay", &Options::weight_decay, at_least(0)),
      field("trust_coeff", &Options::trust_coeff, at_least(0)),
      field("eps", &Options::eps, at_least(0)), field("nesterov", &Options::nesterov),
      field("trust_clip", &Options::trust_clip), field("always_adapt", &Options::always_adapt),
      field("maximize", &Options::maximize));
  static const char* name() { return "LARS"; }
  static void check(const Options& o) {
    if (o.nesterov && o.momentum <= 0) {
      refuse("nesterov = true with momentum = ", o.momentum, ", but it needs a momentum above 0");
    }
  }

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
    R weight_decay;              ///< of p, where it joins the gradient
    R ratio;                     ///< q
    R momentum;                  ///< decay of the buffer
    R mix_buffer, mix_gradient;  ///< of buffer and gradient in the update; 1 and 0 but for Nesterov
  };

  AGMOHD_HD static double beta1(const Options& o) { return o.momentum; }
  /// As SGD's.
  AGMOHD_HD static double stable_step(const Options& o, double momentum) {
    return (1 + momentum) / (o.nesterov ? 1 + 2 * momentum : 1);
  }

  template <class R>
  AGMOHD_HD static Coefficients<R> at(const Options& o, const Now& now, Memory&) {
    const double mu = now.blend.beta1, look = o.nesterov ? 1 : now.blend.look;
    return {R(o.maximize ? -1 : 1),  R(o.weight_decay),
            R(ratio(o, now)),        R(mu),
            R(1 - look + look * mu), R(look)};
  }

  template <Number T>
  AGMOHD_HD static void update(const T& p, const T& g, Slots<T>& s,
                               const Coefficients<Real<T>>& k) {
    s.momentum_buffer = k.momentum * s.momentum_buffer + k.ratio * decayed(p, g, k);
  }
  template <Number T>
  AGMOHD_HD static T direction(const T& p, const T& g, const Slots<T>& s,
                               const Coefficients<Real<T>>& k) {
    if (k.mix_gradient == 0) return s.momentum_buffer;
    return k.mix_gradient * (k.ratio * decayed(p, g, k)) + k.mix_buffer * s.momentum_buffer;
  }

  /// The square of the parameter is summed.
  template <class R>
  struct Summing {};
  template <class R>
  AGMOHD_HD static Summing<R> summing(const Options&, const Memory&) {
    return {};
  }
  template <Number T>
  AGMOHD_HD static T summed(const T& p, const T& /*g*/, const Slots<T>& /*s*/,
                            const Summing<Real<T>>& /*k*/) {
    return p * p;
  }

 private:
  AGMOHD_HD static double ratio(const Options& o, const Now& now) {
    if (o.weight_decay == 0 && !o.always_adapt) return 1;
    const double p = std::sqrt(now.mean * double(now.numel)), g = std::sqrt(now.norm2);
    const bool both = p > 0 && g > 0;  // not NaN either
    double q = both ? o.trust_coeff * p / (g + o.weight_decay * p + o.eps) : 1;
    if (o.trust_clip) q = q < now.lr ? q / now.lr : 1;
    return q;
  }
};
static_assert(Rule<LARS> && has::sums_parameter<LARS>);

}  // namespace agmohd::rule
