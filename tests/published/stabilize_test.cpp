// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// Stabilize follows its authors.

#include <gtest/gtest.h>

#include <agmohd/recipes.hpp>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <vector>

#include "published.hpp"

namespace {

using namespace testing_published;

using gradient::Stabilize;

std::vector<double> first_half(const std::vector<double>& row) {
  return {row.begin(), row.begin() + std::ptrdiff_t(row.size() / 2)};
}
TensorSignals of_gradient(const std::vector<double>& g) {
  TensorSignals ts;
  for (const double x : g) {
    ts.norm2 += x * x;
    ts.max_abs = std::fabs(x) > ts.max_abs || x != x ? std::fabs(x) : ts.max_abs;
    ts.nonfinite += std::isfinite(x) ? 0 : 1;
  }
  ts.numel = std::int64_t(g.size());
  return ts;
}
template <class Transform, class K>
std::vector<double> applied(const std::vector<double>& g, const K& k) {
  std::vector<double> out;
  for (const double x : g) out.push_back(Transform::apply(x, k));
  return out;
}
double norm_of(const std::vector<double>& g) { return std::sqrt(of_gradient(g).norm2); }

using Stable = Stabilised<hindrance::None, Stabilize>;

TEST(Stabilize, ClipsAndNormalisesAsItsAuthorsDoWhereOneElementIsBeyond) {
  for (const bool repaired : {false, true}) {
    Driven<Stable> run(1);
    run.shared.gradient.stabilize_repaired = repaired;
    std::size_t t = 0, clipped = 0;
    for (const auto& row : golden("stabilize")) {
      const std::vector<double> g = first_half(row);
      run.step({of_gradient(g)});
      clipped += run.k[0].gradient.limit < kInf ? 1 : 0;
      const auto got = applied<Stabilize>(g, run.k[0].gradient);
      for (std::size_t i = 0; i < g.size(); ++i) {
        ASSERT_NEAR(got[i], row[g.size() + i], 1e-7 * std::fabs(row[g.size() + i])) << t;
      }
      ++t;
    }
    EXPECT_GT(clipped, 20U);
  }
}

TEST(Stabilize, ABurstEndsUpBelowTheAuthorsAndIsSoonForgotten) {
  Driven<Stable> run(1);
  std::size_t t = 0;
  for (const auto& row : golden("stabilize_burst")) {
    const std::vector<double> g = first_half(row);
    run.step({of_gradient(g)});
    const double got = norm_of(applied<Stabilize>(g, run.k[0].gradient));
    const double want = norm_of({row.begin() + std::ptrdiff_t(g.size()), row.end()});
    if (t < 50) {
      ASSERT_NEAR(got, want, 0.1 * want) << t;
    } else if (t == 50) {
      EXPECT_LT(got, want);
      EXPECT_GT(got, 0.2 * want);
    } else {
      ASSERT_NEAR(got, want, (t < 80 ? 0.35 : 0.1) * want) << t;
    }
    ++t;
  }
}

TEST(Stabilize, ANanPoisonsAllLaterGradientsAsPublishedAlone) {
  Driven<Stable> published(1), repaired(1), without(1);
  published.shared.gradient.stabilize_repaired = false;
  std::size_t t = 0;
  for (const auto& row : golden("stabilize_nan")) {
    const std::vector<double> g = first_half(row);
    for (auto* run : {&published, &repaired}) run->step({of_gradient(g)});
    EXPECT_EQ(std::isnan(published.k[0].gradient.factor), t >= 20);
    EXPECT_EQ(std::isnan(row.back()), t >= 20);
    if (t == 20) {
      EXPECT_EQ(repaired.k[0].gradient.factor, 1);
      EXPECT_TRUE(std::isnan(applied<Stabilize>(g, repaired.k[0].gradient)[0]));
    } else {
      without.step({of_gradient(g)});
      EXPECT_EQ(repaired.k[0].gradient.factor, without.k[0].gradient.factor);
    }
    ++t;
  }
  EXPECT_TRUE(same_bytes(repaired.tensors[0].gradient, without.tensors[0].gradient));
}

TEST(Stabilize, ComposesInChainsAndWithTheDetector) {
  using Guarded = gradient::Chain<gradient::AdaptiveClip, Stabilize>;
  using Both = gradient::Chain<gradient::ClipByValue, Stabilize, Stabilize>;
  static_assert(sizeof(Guarded::TensorMemory) == sizeof(Stabilize::TensorMemory));
  static_assert(sizeof(Both::TensorMemory) == 2 * sizeof(Stabilize::TensorMemory));
  static_assert(std::is_empty_v<gradient::Chain<gradient::AdaptiveClip>::TensorMemory>);
  Driven<Recipe<rule::AdamW, hindrance::Detector, momentum::Choice, Guarded>> guarded(2);
  Driven<Stable> alone(2);
  guarded.shared.gradient.head.max_norm = 1e-3;
  std::size_t t = 0;
  for (const auto& row : golden("stabilize")) {
    const std::vector<double> g = first_half(row), h(5, row[0]);
    if (t++ == 40) break;
    const std::vector<TensorSignals> ts{of_gradient(g), of_gradient(h)};
    const double norm = std::sqrt(ts[0].norm2 + ts[1].norm2);
    ASSERT_FALSE(guarded.step(ts).skip);
    auto clipped = ts;
    for (auto& x : clipped) {
      x.norm2 *= 1e-6 / (norm * norm);
      x.max_abs *= 1e-3 / norm;
    }
    alone.step(clipped);
    for (std::size_t i = 0; i < 2; ++i) {
      const double want = alone.k[i].gradient.factor;
      ASSERT_NEAR(guarded.k[i].gradient.rest.head.factor, want, 1e-9 * want) << t;
    }
  }
}

}  // namespace
