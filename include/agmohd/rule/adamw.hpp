// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "adam.hpp"

namespace agmohd::rule {

/// AdamW: Adam with decoupled weight decay (Loshchilov & Hutter 2019, algorithm 2, the schedule
/// multiplying both parts as in PyTorch). The moments and the direction are Adam's.
struct AdamW : Adam {
  struct Options {
    Pair betas{0.9, 0.999};
    double eps = 1e-8;
    double weight_decay = 1e-2;
    bool amsgrad = false;
    bool maximize = false;
  };
  static constexpr auto fields =
      describe(field("betas", &Options::betas, in(0, 1)), field("eps", &Options::eps, at_least(0)),
               field("weight_decay", &Options::weight_decay, at_least(0)),
               field("amsgrad", &Options::amsgrad), field("maximize", &Options::maximize));
  static const char* name() { return "AdamW"; }
  static unsigned slots(const Options& o) { return Adam::slots(moments(o)); }
  static Memory restore(const Options& o, std::int64_t step) {
    return Adam::restore(moments(o), step);
  }

  AGMOHD_HD static double beta1(const Options& o) { return o.betas.first; }
  /// What the parameter is multiplied with in a step.
  AGMOHD_HD static double decay(const Options& o, double lr) { return 1 - lr * o.weight_decay; }

  template <class R>
  AGMOHD_HD static Coefficients<R> at(const Options& o, const Now& now, Memory& m) {
    return Adam::at<R>(moments(o), now, m);
  }

  template <Number T>
  AGMOHD_HD static void update(const T& /*p*/, const T& g, Slots<T>& s,
                               const Coefficients<Real<T>>& k) {
    average(T(k.sign * g), s, k);
  }
  template <Number T>
  AGMOHD_HD static T direction(const T& /*p*/, const T& g, const Slots<T>& s,
                               const Coefficients<Real<T>>& k) {
    return ratio(T(k.sign * g), s, k);
  }

  struct Guard : Adam::Guard {
    static Memory restore(const Options& o, std::int64_t step) {
      return Adam::Guard::restore(moments(o), step);
    }
    template <class R>
    AGMOHD_HD static Coefficients<R> at(const Options& o, const Now& now, double slack,
                                        const Adam::Memory& rule, Memory& m) {
      return Adam::Guard::at<R>(moments(o), now, slack, rule, m);
    }
  };

 private:
  AGMOHD_HD static Adam::Options moments(const Options& o) {
    return {o.betas, o.eps, 0, o.amsgrad, o.maximize};
  }
};
static_assert(Rule<AdamW> && has::guard<AdamW>);

}  // namespace agmohd::rule
