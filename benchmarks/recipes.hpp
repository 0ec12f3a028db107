// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <agmohd/recipes.hpp>

namespace bench {

/// The sign of a mix of the gradient and its running mean, as Lion's (Chen et al. 2023), but with
/// the new mean: what a rule with one state costs.
struct OneState {
  struct Options {
    double beta1 = 0.9, beta2 = 0.99;
  };
  static constexpr auto fields =
      agmohd::describe(agmohd::field("beta1", &Options::beta1, agmohd::in(0, 1)),
                       agmohd::field("beta2", &Options::beta2, agmohd::in(0, 1)));
  static std::string name() { return "OneState"; }
  template <class T>
  struct Slots {
    T mean;
  };
  static constexpr std::array<const char*, 1> slot_names{"mean"};
  static unsigned slots(const Options&) { return 1; }
  struct Memory {};
  static Memory restore(const Options&, std::int64_t) { return {}; }
  template <class R>
  struct Coefficients {
    R keep, mix, gain;
  };
  template <class R>
  AGMOHD_HD static Coefficients<R> at(const Options& o, const agmohd::Now&, Memory&) {
    return {R(o.beta1), R(1 - o.beta1), R(1 - o.beta2)};
  }
  AGMOHD_HD static void update(const auto&, const auto& g, auto& s, const auto& k) {
    s.mean = s.mean + k.gain * (g - s.mean);
  }
  AGMOHD_HD static auto direction(const auto&, const auto& g, const auto& s, const auto& k) {
    return agmohd::math::sign(k.keep * s.mean + k.mix * g);
  }
};
static_assert(agmohd::Rule<OneState>);

template <class Rule>
using Clipped = agmohd::Recipe<Rule, agmohd::hindrance::None, agmohd::momentum::Fixed,
                               agmohd::gradient::ClipByNorm>;

using AdamW = agmohd::recipe::AdamW;
using ClipAdamW = Clipped<agmohd::rule::AdamW>;
using ClipAdam = Clipped<agmohd::rule::Adam>;
using ClipSGD = Clipped<agmohd::rule::SGD>;
using ClipOneState = Clipped<OneState>;

}  // namespace bench
