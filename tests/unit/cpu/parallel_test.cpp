// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// The pool.

#include <gtest/gtest.h>

#include <agmohd/cpu/executor.hpp>
#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

namespace {

using namespace agmohd;

/// Counts how often each index is visited.
void expect_covered(std::int64_t count) {
  const auto visits = std::make_unique<std::atomic<int>[]>(std::size_t(count) + 1);
  parallel_ranges(count, [&](std::int64_t begin, std::int64_t end) {
    EXPECT_LT(begin, end);
    for (std::int64_t i = begin; i < end; ++i) visits[std::size_t(i)].fetch_add(1);
  });
  for (std::int64_t i = 0; i < count; ++i) ASSERT_EQ(visits[std::size_t(i)].load(), 1) << i;
}

TEST(ParallelRanges, CoverEveryIndexOnce) {
  const int before = at::get_num_threads();
  for (const int threads : {1, 2, 7}) {
    at::set_num_threads(threads);
    for (std::int64_t count = 0; count < 70; ++count) expect_covered(count);
    for (const std::int64_t count : {1000, 4097, 100'000}) expect_covered(count);
  }
  at::set_num_threads(before);
}

TEST(ParallelRanges, NestAndRunConcurrently) {
  const int before = at::get_num_threads();
  at::set_num_threads(4);
  std::atomic<std::int64_t> sum{0};
  parallel_ranges(50, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      parallel_ranges(100, [&](std::int64_t first, std::int64_t last) { sum += last - first; });
    }
  });
  EXPECT_EQ(sum.load(), 5000);
  std::vector<std::thread> callers;
  for (int i = 0; i < 4; ++i) {
    callers.emplace_back([] {
      at::set_num_threads(4);
      for (int round = 0; round < 50; ++round) expect_covered(300);
    });
  }
  for (std::thread& caller : callers) caller.join();
  at::set_num_threads(before);
}

}  // namespace
