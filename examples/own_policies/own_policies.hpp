// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <agmohd/recipes.hpp>

namespace own {
using namespace agmohd;

/// The sign of a running mean of the gradients: Signum (Bernstein et al. 2018, algorithm 2).
struct Signum {
  struct Options {
    double beta = 0.9;
  };
  static constexpr auto fields = describe(field("beta", &Options::beta, in(0, 1)));
  static const char* name() { return "Signum"; }
  template <class T>
  struct Slots {
    T mean;
  };
  static constexpr std::array<const char*, 1> slot_names{"mean"};
  static unsigned slots(const Options&) { return 1; }
  struct Memory {};
  static Memory restore(const Options&, std::int64_t) { return {}; }
  template <class R>
  using Coefficients = R;
  template <class R>
  AGMOHD_HD static R at(const Options& o, const Now&, Memory&) {
    return R(1 - o.beta);
  }
  AGMOHD_HD static void update(const auto&, const auto& g, auto& s, const auto& gain) {
    s.mean = s.mean + gain * (g - s.mean);
  }
  AGMOHD_HD static auto direction(const auto&, const auto&, const auto& s, const auto&) {
    return math::sign(s.mean);
  }
};

/// Scales the gradients to a global norm of 1, so that each step weighs the same in the mean.
struct Normalize {
  struct Options {};
  static constexpr auto fields = describe();
  static const char* name() { return "Normalize"; }
  static constexpr TransformKind kind = TransformKind::scale;
  static constexpr unsigned wants = kNorm;
  template <class R>
  using Coefficients = R;
  template <class R>
  AGMOHD_HD static R at(const Options&, Signals& s, const Verdict&) {
    const double factor = s.norm2 > 0 ? 1 / std::sqrt(s.norm2) : 1;
    s.norm2 *= factor * factor;  // what a later transform of a chain sees
    return R(factor);
  }
  AGMOHD_HD static auto apply(const auto& g, const auto& factor) { return factor * g; }
};

/// factor = 1 / sqrt(1 + t / period).
struct InverseSqrt {
  struct Options {
    std::int64_t period = 100;
  };
  static constexpr auto fields = describe(field("period", &Options::period, at_least(1)));
  static const char* name() { return "InverseSqrt"; }
  AGMOHD_HD static double factor(const Options& o, std::int64_t t) {
    return 1 / std::sqrt(1 + double(t) / double(o.period));
  }
};

using Mine = Recipe<Signum, Normalize, InverseSqrt>;
}  // namespace own
