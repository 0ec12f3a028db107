// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>

#include "../policy/check.hpp"
#include "l2_decay.hpp"
#include "moments.hpp"
#include "rule.hpp"

namespace agmohd::rule {

/// What rules share that are Adam with an estimate d of the distance to the solution in the rate:
/// Prodigy and DAdaptAdam. d and what it depends on is in the optimizer's memory.
struct DistanceEstimate {
  template <class O>
  static void check(const O& o) {
    if (o.growth_rate > 0 && o.growth_rate < 1) {
      refuse("growth_rate = ", o.growth_rate, ", but it must be 0, or at least 1");
    }
  }
  template <class O>
  AGMOHD_HD static double beta1(const O& o) {
    return o.betas.first;
  }
  template <class O>
  AGMOHD_HD static double stable_step(const O& o, double b1) {
    return Moments::stable_step(o, b1);
  }
  /// lr d, with the bias correction.
  template <class O, class M>
  AGMOHD_HD static double lr(const O&, const Now& now, const M& m) {
    return m.d * now.lr * m.correction;
  }
  template <class O>
  AGMOHD_HD static double decay(const O& o, double lr) {
    return o.decouple ? 1 - lr * o.weight_decay : 1;
  }
  /// The bias correction of this step.
  template <class O, class M>
  AGMOHD_HD static void correct(const O& o, const Now& now, M& m) {
    m.beta1_product *= now.blend.beta1;
    m.beta2_product *= o.betas.second;
    m.correction =
        o.use_bias_correction ? std::sqrt(1 - m.beta2_product) / (1 - m.beta1_product) : 1;
  }
  /// m / (sqrt(v) + eps).
  template <Number T, class S, class K>
  AGMOHD_HD static T direction(const T& p, const T& g, const S& s, const K& k) {
    const T moment = k.mix_gradient == 0
                         ? s.exp_avg
                         : T(k.mix_moment * s.exp_avg + k.mix_gradient * decayed(p, g, k));
    return moment / (math::sqrt(s.exp_avg_sq) + math::like(g, k.eps));
  }
};

}  // namespace agmohd::rule
