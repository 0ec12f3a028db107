// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

#include <cmath>
#include <cstdint>
#include <vector>

#include "../contract/schedule.hpp"

using namespace agmohd;

template <>
struct contract::Sample<schedule::Cyclical> {
  using Options = schedule::Cyclical::Options;
  static std::vector<Options> options() {
    using schedule::CycleMode;
    return {
        {.cycle_steps = 10},
        {.cycle_steps = 7, .min_factor = 0},
        {.cycle_steps = 9, .min_factor = 0.25, .up_steps = 2},
        {.cycle_steps = 4, .cycle_mode = CycleMode::triangular2},
        {.cycle_steps = 5, .up_steps = 3, .cycle_mode = CycleMode::exp_range, .cycle_gamma = 0.95}};
  }
  static long double expected(const Options& o, std::int64_t t) {
    const long double length = (long double)o.cycle_steps, s = (long double)(t % o.cycle_steps);
    const long double up = o.up_steps > 0 ? (long double)o.up_steps : length / 2;
    long double height = 1 - (long double)o.min_factor;
    if (o.cycle_mode == schedule::CycleMode::triangular2) {
      height /= std::pow(2.0L, (long double)(t / o.cycle_steps));
    }
    if (o.cycle_mode == schedule::CycleMode::exp_range) {
      height *= std::pow((long double)o.cycle_gamma, (long double)t);
    }
    return o.min_factor + height * (s < up ? s / up : (length - s) / (length - up));
  }
};

INSTANTIATE_TYPED_TEST_SUITE_P(Cyclical, ScheduleContract, schedule::Cyclical);

namespace {

TEST(Cyclical, HalvesItsHeightUntilNothingIsLeft) {
  const schedule::Cyclical::Options o{
      .cycle_steps = 2, .min_factor = 0, .cycle_mode = schedule::CycleMode::triangular2};
  for (std::int64_t cycle = 0; cycle < 3000; ++cycle) {
    const double top = cycle < 1000 ? std::ldexp(1.0, -int(cycle)) : 0;
    EXPECT_EQ(schedule::Cyclical::factor(o, 2 * cycle + 1), top) << cycle;
  }
}

}  // namespace
