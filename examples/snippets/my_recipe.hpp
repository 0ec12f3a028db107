// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <agmohd/recipes.hpp>

/// AdamW on gradients that are clamped and then clipped, with a warm-up and a cosine.
using MyRecipe = agmohd::Recipe<
    agmohd::rule::AdamW, agmohd::hindrance::None, agmohd::momentum::Fixed,
    agmohd::gradient::Chain<agmohd::gradient::ClipByValue, agmohd::gradient::ClipByNorm>,
    agmohd::schedule::Warmup<agmohd::schedule::Cosine>>;

/// Skips a step in which any element of the gradients is inf or NaN, and counts such steps.
struct SkipNonfinite {
  struct Options {};
  static constexpr auto fields = agmohd::describe();
  static const char* name() { return "SkipNonfinite"; }
  static constexpr unsigned wants = agmohd::kNonfinite;
  struct Memory {
    std::int64_t skipped = 0;
  };
  AGMOHD_HD static agmohd::Verdict judge(const Options&, const agmohd::Signals& s, Memory& m) {
    agmohd::Verdict verdict;
    verdict.skip = s.nonfinite > 0;
    m.skipped += verdict.skip ? 1 : 0;
    return verdict;
  }
};
static_assert(agmohd::Hindrance<SkipNonfinite>);

/// Momentum that grows to the rule's beta1 over the first `period` steps.
struct Ramp {
  struct Options {
    std::int64_t period = 100;
  };
  static constexpr auto fields =
      agmohd::describe(agmohd::field("period", &Options::period, agmohd::at_least(1)));
  static const char* name() { return "Ramp"; }
  static constexpr bool needs_first_moment = true;
  struct Memory {
    std::int64_t steps = 0;
    constexpr void members(auto&& f) { f("steps", steps); }
  };
  AGMOHD_HD static void advance(const Options&, const agmohd::Verdict&, Memory& m) { m.steps += 1; }
  AGMOHD_HD static agmohd::Blend blend(const Options& o, const Memory& m, double beta1) {
    const double x = double(m.steps) / double(o.period);
    return {.beta1 = x < 1 ? beta1 * x : beta1, .look = 0};
  }
};
static_assert(agmohd::Momentum<Ramp>);

using Guarded = agmohd::Recipe<agmohd::rule::Adam, SkipNonfinite, Ramp>;
