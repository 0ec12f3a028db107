// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
// What a policy brings, and the recipe that most suites test it in.

#include <agmohd/recipes.hpp>
#include <cstdint>

namespace contract {

template <class Policy>
struct Sample;

/// Skips every step whose gradient norm is above a limit or not a number, and counts them.
struct SkipAbove {
  struct Options {
    double limit = 1e6;
  };
  static constexpr auto fields =
      agmohd::describe(agmohd::field("limit", &Options::limit, agmohd::above(0)));
  static const char* name() { return "SkipAbove"; }
  static constexpr unsigned wants = agmohd::kNorm;
  struct Memory {
    std::int64_t skipped = 0;
  };
  AGMOHD_HD static agmohd::Verdict judge(const Options& o, const agmohd::Signals& s, Memory& m) {
    agmohd::Verdict verdict;
    verdict.skip = !(s.norm2 <= o.limit * o.limit);
    m.skipped += verdict.skip ? 1 : 0;
    return verdict;
  }
};

/// The recipe under test. The suites share as few as they can: each costs seconds to compile.
template <class Rule, class Transform = agmohd::gradient::None>
using Skipping = agmohd::Recipe<Rule, SkipAbove, Transform>;

}  // namespace contract
