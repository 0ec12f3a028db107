// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <agmohd/recipes.hpp>

/// Lion (Chen et al. 2023, algorithm 2): p <- p - lr (sign(b1 m + (1 - b1) g) + weight_decay p),
/// m <- b2 m + (1 - b2) g. In terms of the new m, the sign is that of (b1 / b2) m + (1 - b1 / b2)
/// g.
struct Lion {
  struct Options {
    agmohd::Pair betas{0.9, 0.99};
    double weight_decay = 0;
  };
  static constexpr auto fields =
      agmohd::describe(agmohd::field("betas", &Options::betas, agmohd::between(0.01, 1)),
                       agmohd::field("weight_decay", &Options::weight_decay, agmohd::at_least(0)));
  static const char* name() { return "Lion"; }
  static constexpr double default_lr = 1e-4;

  template <class T>
  struct Slots {
    T exp_avg;
  };
  static constexpr std::array<const char*, 1> slot_names{"exp_avg"};
  static unsigned slots(const Options&) { return 1; }
  struct Memory {};
  static Memory restore(const Options&, std::int64_t) { return {}; }

  template <class R>
  struct Coefficients {
    R gain, old, fresh;  ///< 1 - b2; weights of m and g in the sign
  };
  template <class R>
  AGMOHD_HD static Coefficients<R> at(const Options& o, const agmohd::Now&, Memory&) {
    const double old = o.betas.first / o.betas.second;
    return {R(1 - o.betas.second), R(old), R(1 - old)};
  }
  AGMOHD_HD static double decay(const Options& o, double lr) { return 1 - lr * o.weight_decay; }
  AGMOHD_HD static void update(const auto&, const auto& g, auto& s, const auto& k) {
    s.exp_avg = s.exp_avg + k.gain * (g - s.exp_avg);
  }
  AGMOHD_HD static auto direction(const auto&, const auto& g, const auto& s, const auto& k) {
    return agmohd::math::sign(k.old * s.exp_avg + k.fresh * g);
  }
};
static_assert(agmohd::Rule<Lion>);

using LionRecipe = agmohd::Recipe<Lion, agmohd::gradient::ClipByNorm>;
