// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

#include <cmath>
#include <cstdint>
#include <vector>

#include "../contract/schedule.hpp"

using namespace agmohd;

template <>
struct contract::Sample<schedule::CosineRestarts> {
  using Options = schedule::CosineRestarts::Options;
  static std::vector<Options> options() {
    return {{.restart_steps = 10},
            {.restart_steps = 3, .restart_mult = 2, .min_factor = 0.1},
            {.restart_steps = 1, .restart_mult = 5},
            {.restart_steps = 1}};
  }
  static long double expected(const Options& o, std::int64_t t) {
    std::int64_t length = o.restart_steps;
    while (t >= length) {
      t -= length;
      length *= o.restart_mult;
    }
    const long double x = (long double)t / (long double)length;
    return o.min_factor +
           (1 - (long double)o.min_factor) * (1 + std::cos(std::acos(-1.0L) * x)) / 2;
  }
};

INSTANTIATE_TYPED_TEST_SUITE_P(CosineRestarts, ScheduleContract, schedule::CosineRestarts);

namespace {

TEST(CosineRestarts, HasAFactorAtAnyStep) {
  for (const std::int64_t mult : {1, 2, 7, 1'000'000'000}) {
    const schedule::CosineRestarts::Options o{.restart_steps = 3, .restart_mult = mult};
    for (std::int64_t t = 1; t > 0 && t < INT64_MAX / 2; t = 2 * t + 1) {
      const double factor = schedule::CosineRestarts::factor(o, t);
      EXPECT_TRUE(factor >= 0 && factor <= 1) << mult << " " << t;
    }
  }
}

}  // namespace
