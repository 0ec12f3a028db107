// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// The sample of a watched sweep.

#include <gtest/gtest.h>

#include <agmohd/cpu/executor.hpp>
#include <cstdint>
#include <memory>
#include <vector>

#include "../elements.hpp"

namespace {

using namespace testing_unit;

/// In every so many steps one after another, each element is in the sample once.
TEST(Sample, RotatesOverAllPages) {
  std::vector<std::int64_t> sizes{3 * reduction::kChunk + 77, reduction::kChunk};
  for (int i = 0; i < 250; ++i) sizes.push_back(1 + i * 37 % 2000);
  std::vector<std::vector<float>> params, grads, states;
  std::vector<TensorRef<Measuring>> refs;
  cpu::CpuExecutor<Measuring> executor;
  executor.configure({{}, {{1e-3, {}}}});
  double elements = 0;
  std::int64_t chunks = 0;
  for (const std::int64_t size : sizes) {
    const auto n = std::size_t(size);
    params.emplace_back(n, 1.F), grads.emplace_back(n, 1e-3F);
    states.emplace_back(n), states.emplace_back(n);
    TensorRef<Measuring> ref;
    ref.param = params.back().data(), ref.grad = grads.back().data();
    ref.slots[0] = states.rbegin()[1].data(), ref.slots[1] = states.back().data();
    ref.numel = size;
    ref.per_tensor = executor.add_per_tensor({});
    refs.push_back(ref);
    elements += double(size);
    chunks += reduction::chunks(size);
  }
  executor.bind(refs, nullptr);
  const std::int64_t every = reduction::sample_every(chunks);
  ASSERT_EQ(every, 3);
  std::vector<double> updated;
  const std::shared_ptr<Executor<Measuring>> all[] = {{&executor, [](auto*) {}}};
  for (int t = 0; t < 12; ++t) {
    executor.measure({}, true);
    executor.judge(all);
    executor.finish(executor);
    updated.push_back(executor.read_memory().swept.updated);
    EXPECT_LT(updated.back(), elements);
  }
  for (std::size_t t = 0; t + 3 <= updated.size(); ++t) {
    EXPECT_EQ(updated[t] + updated[t + 1] + updated[t + 2], elements) << t;
  }
}

TEST(Sample, HasTheNumberOfPagesThatIsSaid) {
  for (const std::int64_t chunks : {1, 64, 127, 128, 191, 192, 7596, 95'103}) {
    const std::int64_t every = reduction::sample_every(chunks);
    std::int64_t sum = 0;
    for (std::int64_t phase = 0; phase < every; ++phase) {
      const std::int64_t count = reduction::samples(chunks, phase);
      EXPECT_LE(count, reduction::kMostSamples);
      sum += count;
    }
    EXPECT_EQ(sum, chunks);
  }
}

}  // namespace
