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
  static const char* name() { return "OneState"; }
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

/// storage::BFloat16 with stochastic rounding, as a type of its own.
struct Stochastic : agmohd::storage::BFloat16 {
  struct Options {
    std::int64_t seed = 0;
  };
  static constexpr auto fields = agmohd::describe(agmohd::field("seed", &Options::seed));
  static const char* name() { return "Stochastic"; }
  AGMOHD_HD static Key key(const Options& o, std::int64_t updates, std::int32_t index) {
    return BFloat16::key({true, o.seed}, updates, index);
  }
};

template <class Rule, class Storage = agmohd::storage::Native>
using Clipped = agmohd::Recipe<Rule, agmohd::gradient::ClipByNorm, Storage>;

using AdamW = agmohd::recipe::AdamW;
using ClipAdamW = Clipped<agmohd::rule::AdamW>;
using Agmohd = agmohd::recipe::AGMOHD;
using ClipAdam = Clipped<agmohd::rule::Adam>;
using ClipSGD = Clipped<agmohd::rule::SGD>;
using ClipHalfAdamW = Clipped<agmohd::rule::AdamW, agmohd::storage::BFloat16>;
using ClipStochasticAdamW = Clipped<agmohd::rule::AdamW, Stochastic>;
using ClipOneState = Clipped<OneState>;

}  // namespace bench
