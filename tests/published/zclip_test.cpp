// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// ZClip follows its authors.

#include <gtest/gtest.h>

#include <agmohd/recipes.hpp>
#include <cmath>

#include "published.hpp"

namespace {

using namespace testing_published;

using hindrance::ZClip;

TEST(ZClip, BoundsTheNormAsItsAuthorsDo) {
  for (const bool repaired : {false, true}) {
    for (const char* name : {"zclip", "zclip_jump"}) {
      ZClip::Memory m;
      std::size_t t = 0;
      for (const auto& row : golden(name)) {
        const Verdict v = ZClip::judge({.repaired = repaired}, measured(row[0]), m);
        expect_close(v.norm_bound, row[1], t++);
        ASSERT_FALSE(v.skip);
      }
    }
  }
}

TEST(ZClip, ANanDisablesItAsPublishedAndIsSkippedRepaired) {
  ZClip::Memory published, repaired, without;
  std::size_t t = 0;
  int clipped = 0;
  for (const auto& row : golden("zclip_nan")) {
    const Signals s = measured(row[0]);
    const Verdict v = ZClip::judge({.repaired = false}, s, published);
    expect_close(v.norm_bound, row[1], t);
    ASSERT_FALSE(v.skip);
    const Verdict w = ZClip::judge({}, s, repaired);
    ASSERT_EQ(w.skip, std::isnan(row[0]));
    if (!w.skip) {
      ASSERT_EQ(w.norm_bound, ZClip::judge({}, s, without).norm_bound);
      repaired.nonfinite = {};  // applied steps pay for skipped ones little by little
      ASSERT_TRUE(same_bytes(repaired, without));
    }
    clipped += t++ > 180 && w.norm_bound < kInf ? 1 : 0;
  }
  EXPECT_TRUE(std::isnan(published.mean));
  EXPECT_GT(clipped, 0);
}

TEST(ZClip, AWarmUpOfZerosStopsItForEverAsPublishedAlone) {
  for (const bool repaired : {false, true}) {
    ZClip::Memory m;
    for (int t = 0; t < 25; ++t) ZClip::judge({.repaired = repaired}, measured(0), m);
    EXPECT_EQ(ZClip::judge({.repaired = repaired}, measured(1), m).norm_bound, repaired ? kInf : 0);
  }
}

TEST(ZClip, ClipsThroughTheGradientPolicies) {
  Driven<Stabilised<ZClip, gradient::ClipByNorm>> run(1);
  Driven<Stabilised<ZClip, gradient::AdaptiveClip>> adaptive(1);
  for (auto* o : {&run.shared.gradient, &adaptive.shared.gradient}) o->max_norm = 2;
  std::size_t t = 0;
  for (const auto& row : golden("zclip")) {
    run.step_norms({row[0]});
    adaptive.step_norms({row[0]});
    const double bound = std::fmin(row[1], 2), want = row[0] > bound ? bound / row[0] : 1;
    expect_close(run.k[0].gradient.factor, want, t);
    expect_close(adaptive.k[0].gradient.factor, want, t++);
  }
}

}  // namespace
