// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// How kinds of hindrance compose.

#include <gtest/gtest.h>

#include <agmohd/recipes.hpp>
#include <cmath>
#include <string>
#include <type_traits>
#include <vector>

#include "runs.hpp"

namespace {

using namespace testing_detection;

/// Somebody's own kind: it needs no more than this.
struct Third {
  struct Options {
    double period = 1e9;
  };
  struct Memory {
    double seen = 0;
  };
  static constexpr auto fields = describe(field("period", &Options::period, above(0)));
  static constexpr unsigned wants = kMaxAbs;
  static const char* name() { return "Third"; }
  static void examine(const Options& o, const Signals&, const Memory& m, Verdict& v) {
    v.skip = v.skip || std::fmod(m.seen, o.period) == o.period - 1;
  }
  static void learn(const Options&, const Signals&, const Verdict&, Memory& m) { m.seen += 1; }
};

template <class... K>
void expect_each_composes() {
  const auto one = [&]<class Kind>() {
    using Both = hindrance::Detect<Kind, Third>;
    static_assert(Hindrance<Kind> && Hindrance<Both> && (Both::wants & kMaxAbs) != 0);
    Healthy healthy(5);
    Driven<Watching<Kind>> alone;
    Driven<Watching<Both>> both;
    for (int t = 0; t < 300; ++t) {
      const Signals s = healthy.next(t == 200 ? 2.5 : 1);
      const Verdict a = alone.step(s), b = both.step(s);
      ASSERT_EQ(a.flags, b.flags) << t;
      ASSERT_EQ(a.level, b.level);
      ASSERT_EQ(a.norm_bound, b.norm_bound);
    }
    if constexpr (!std::is_empty_v<typename Kind::Memory>) {
      EXPECT_TRUE(same_bytes(alone.memory.hindrance, both.memory.hindrance.head));
    }
  };
  (one.template operator()<K>(), ...);
}

TEST(Kinds, EachIsAPolicyAndComposes) {
  using namespace hindrance;
  expect_each_composes<Nonfinite, Explosion, StepTooLarge, ImpossibleMoment, LossSpike, Oscillation,
                       Vanishing, Plateau>();
  static_assert(Detector::wants ==
                (kNorm | kNonfinite | kLoss | kTensors | kUpdate | kAlignment | kGuard));
  std::vector<std::string> names;
  Detector::fields.each([&](const auto& f, auto) { names.emplace_back(f.name); });
  EXPECT_EQ(names, (std::vector<std::string>{"hindrance_threshold", "plateau_factor",
                                             "plateau_floor", "vanishing_eps"}));
}

TEST(Kinds, ASkipByOneStopsTheStatisticsOfAll) {
  using Policy = hindrance::Detect<Third, Detector::DetectorList>;
  Healthy healthy(6);
  static Policy::Options o;
  o.detectors.head.period = 3;
  Policy::Memory m;
  Detector::Memory expected;
  for (int t = 0; t < 900; ++t) {
    const Signals s = healthy.next();
    if (!Policy::judge(o, s, m).skip) {
      hindrance::conclude<Detector::DetectorList>(o.detectors.rest.head, s, expected);
    }
    if (t % 3 != 2) {
      ASSERT_TRUE(same_bytes(m.rest, expected)) << t;
    }
  }
}

}  // namespace
