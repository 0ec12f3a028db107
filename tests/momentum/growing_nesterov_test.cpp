// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

#include <cstdint>
#include <vector>

#include "../contract/momentum.hpp"

using namespace agmohd;

namespace {

/// Momentum that grows to the rule's beta1 over the first steps, with a look ahead.
struct GrowingNesterov {
  struct Options {
    std::int64_t period = 4;
    double look = 1;
  };
  static constexpr auto fields = describe(field("period", &Options::period, at_least(1)),
                                          field("look", &Options::look, between(0, 1)));
  static const char* name() { return "GrowingNesterov"; }
  static constexpr bool needs_first_moment = true;
  struct Memory {
    std::int64_t steps = 0;
  };
  AGMOHD_HD static void advance(const Options&, const Verdict&, Memory& m) { m.steps += 1; }
  AGMOHD_HD static Blend blend(const Options& o, const Memory& m, double beta1) {
    return {beta1 * double(m.steps) / double(m.steps + o.period), o.look};
  }
};

}  // namespace

template <>
struct contract::Sample<GrowingNesterov> {
  static std::vector<GrowingNesterov::Options> options() {
    return {{}, {.period = 1, .look = 0.5}};
  }
};

INSTANTIATE_TYPED_TEST_SUITE_P(GrowingNesterov, MomentumContract, GrowingNesterov);
