// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// Tensors of more than 2^31 elements.

#include <gtest/gtest.h>

#include <agmohd/cpu/executor.hpp>
#include <agmohd/cuda/host/launch_plan.hpp>
#include <agmohd/recipes.hpp>
#include <cstdint>

#include "../elements.hpp"

namespace {

using namespace testing_unit;

constexpr std::int64_t kHuge = (std::int64_t{1} << 31) + 5;

TEST(Huge, ChunksRowsAndMatricesHavePlacesBeyond32Bits) {
  EXPECT_EQ(reduction::chunks(kHuge), 131'073);
  double by_phase[3] = {};
  reduction::add_sampled(by_phase, 3, 2, kHuge);
  EXPECT_EQ(by_phase[0] + by_phase[1] + by_phase[2], double(kHuge));

  const std::int64_t last = 3 * kHuge - 1;
  const RowShape neighbours{3, kHuge, 2};
  EXPECT_EQ(neighbours.of(last), 2);
  EXPECT_EQ(neighbours.element(kHuge, 2, kHuge - 1), last);
  const std::int64_t rows = std::int64_t{1} << 20, length = 5000;
  const RowShape apart{rows, 1, 2};  // the first dimension is the innermost in memory
  EXPECT_EQ(apart.element(length, rows - 1, length - 1), rows * length - 1);
  EXPECT_EQ(apart.of(rows * length - 1), rows - 1);

  const std::int64_t side = std::int64_t{1} << 17;
  const FactorMatrix matrix({1, side, 1, side, 1, true}, 0);
  EXPECT_EQ(matrix.element(side - 1, side - 1), side * side - 1);
}

TEST(Huge, LaunchesOfADeviceCoverThem) {
  struct Plan : cuda::LaunchPlan<Measuring> {
    Plan() : LaunchPlan(cuda::default_tuning, 132) {}
    using LaunchPlan::chunks_;
    using LaunchPlan::plan;
  } plan;
  TensorRef<Measuring> small, huge;
  small.numel = 7, huge.numel = kHuge;
  ASSERT_TRUE(plan.plan({small, huge}));
  ASSERT_EQ(plan.chunks_.size(), 131'074U);
  EXPECT_EQ(plan.chunks_.back().tensor, 1);
  EXPECT_EQ(plan.chunks_.back().chunk, 131'072);
  ASSERT_EQ(plan.runs().size(), 1U);
  EXPECT_EQ(plan.runs()[0].chunks, 131'074);
  EXPECT_EQ(plan.runs()[0].elements, kHuge + 7);
  EXPECT_GE(std::int64_t{plan.runs()[0].reduce_blocks()} * plan.runs()[0].reduce_chunks, 131'074);
}

}  // namespace
