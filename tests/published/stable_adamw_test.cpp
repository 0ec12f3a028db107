// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// StableAdamW follows its authors.

#include <gtest/gtest.h>

#include <agmohd/recipes.hpp>
#include <cmath>
#include <cstdint>
#include <vector>

#include "published.hpp"

namespace {

using namespace testing_published;

void stable_adamw_run(const rule::StableAdamW::Options& o, const Rows& rows, std::size_t until,
                      std::vector<double>& p) {
  using R = Recipe<rule::StableAdamW>;
  static_assert(R::wants == (kSums | kTensors) && !R::recorded);
  Driven<R> run(1);
  run.group = {0.01, o};
  const std::size_t size = (rows[0].size() - 1) / 2;
  p.assign(size, 0.5);
  std::vector<R::Slots<double>> slots(size);
  for (std::size_t t = 0; t < rows.size(); ++t) {
    const auto& row = rows[t];
    const auto k = rule::StableAdamW::summing<double>(o, run.tensors[0].rule);
    TensorSignals ts;
    ts.numel = std::int64_t(size);
    for (std::size_t i = 0; i < size; ++i) {
      slots[i].max_exp_avg_sq = 0;  // a slot that is not used
      ts.summed += rule::StableAdamW::summed(row[i], slots[i], k);
    }
    run.step({ts});
    for (std::size_t i = 0; i < size; ++i) {
      p[i] = R::sweep(p[i], row[i], slots[i], run.k[0], {});
      if (t >= until) continue;
      if (std::isnan(row[size + 1 + i])) {
        ASSERT_TRUE(std::isnan(p[i])) << i << " at " << t;
      } else {
        ASSERT_NEAR(p[i], row[size + 1 + i], 1e-9) << i << " at " << t;
      }
    }
    if (t < until) expect_close(std::sqrt(ts.summed / double(size)), row[size], t);
  }
}

TEST(StableAdamW, StepsAsItsAuthorsDo) {
  std::vector<double> p;
  for (const bool repaired : {false, true}) {
    stable_adamw_run({.weight_decay = 0.1, .rms_repaired = repaired}, golden("stable_adamw"), 1000,
                     p);
  }
}

TEST(StableAdamW, ANanPoisonsTheTensorAsPublishedAndItsElementRepaired) {
  const Rows& rows = golden("stable_adamw_nan");
  std::vector<double> p;
  stable_adamw_run({.weight_decay = 0.1, .rms_repaired = false}, rows, 1000, p);
  stable_adamw_run({.weight_decay = 0.1}, rows, 60, p);
  EXPECT_TRUE(std::isnan(p[0]));
  for (std::size_t i = 1; i < p.size(); ++i) EXPECT_TRUE(std::isfinite(p[i])) << i;
}

}  // namespace
