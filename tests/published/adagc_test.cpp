// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// AdaGC follows its authors.

#include <gtest/gtest.h>

#include <agmohd/recipes.hpp>
#include <cmath>
#include <vector>

#include "published.hpp"

namespace {

using namespace testing_published;

using hindrance::AdaGC;
using AdaGCRun = Driven<Stabilised<AdaGC, gradient::AdaptiveClip>>;

TEST(AdaGC, ClipsTensorsAsItsAuthorsDo) {
  for (const bool repaired : {false, true}) {
    AdaGCRun run(3);
    run.shared.hindrance.repaired = repaired;
    run.shared.gradient.max_norm = 1e30;
    std::size_t t = 0;
    for (const auto& row : golden("adagc")) {
      ASSERT_FALSE(run.step_norms({row[0], row[1], row[2]}).skip);
      for (std::size_t i = 0; i < 3; ++i) expect_close(run.k[i].gradient.factor, row[3 + i], t);
      ++t;
    }
  }
}

TEST(AdaGC, ANanDisablesATensorsClipAsPublishedAndIsSkippedRepaired) {
  AdaGCRun published(3), repaired(3), without(3);
  published.shared.hindrance.repaired = false;
  for (auto* run : {&published, &repaired, &without}) run->shared.gradient.max_norm = 1e30;
  std::size_t t = 0;
  for (const auto& row : golden("adagc_nan")) {
    const std::vector<double> norms{row[0], row[1], row[2]};
    ASSERT_FALSE(published.step_norms(norms).skip);
    for (std::size_t i = 0; i < 3 && !std::isnan(row[1]); ++i) {
      expect_close(published.k[i].gradient.factor, row[3 + i], t);
    }
    ASSERT_EQ(repaired.step_norms(norms).skip, std::isnan(row[1]));
    if (!std::isnan(row[1])) {
      without.step_norms(norms);
      for (std::size_t i = 0; i < 3; ++i) {
        ASSERT_EQ(repaired.k[i].gradient.factor, without.k[i].gradient.factor) << t;
      }
    }
    if (t == 250) {
      EXPECT_EQ(published.k[1].gradient.factor, 1);  // of a norm of 50 times its mean
      EXPECT_LT(repaired.k[1].gradient.factor, 0.05);
    }
    ++t;
  }
  EXPECT_TRUE(std::isnan(published.tensors[1].hindrance.memory.mean));
}

TEST(AdaGC, ATensorWithoutAGradientAtFirstIsFrozenForEverAsPublishedAlone) {
  for (const bool repaired : {false, true}) {
    AdaGCRun run(3);
    run.shared.hindrance.repaired = repaired;
    run.shared.gradient.max_norm = 1e30;
    std::size_t t = 0;
    for (const auto& row : golden("adagc_zero")) {
      run.step_norms({row[0], row[1], row[2]});
      if (!repaired) {
        for (std::size_t i = 0; i < 3; ++i) expect_close(run.k[i].gradient.factor, row[3 + i], t);
      } else if (t >= 100) {
        ASSERT_GT(run.k[1].gradient.factor, 0.01);
      }
      ++t;
    }
    EXPECT_EQ(run.k[1].gradient.factor > 0.01, repaired);
  }
}

TEST(AdaGC, BeginsATensorThatJoinsLaterWithItsOwnNorm) {
  AdaGCRun run(2);
  run.shared.gradient.max_norm = 1e30;
  for (int t = 0; t < 150; ++t) run.step_norms({0.5});
  run.step_norms({0.5, 7});
  EXPECT_EQ(run.k[1].gradient.factor, 1);
  run.step_norms({0.5, 14});
  EXPECT_NEAR(run.k[1].gradient.factor, 0.525, 1e-12);
}

}  // namespace
