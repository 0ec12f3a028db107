// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

#include <cmath>
#include <cstdint>
#include <vector>

#include "../contract/schedule.hpp"

using namespace agmohd;

using HeldStep = schedule::HindranceAware<schedule::Step>;

template <>
struct contract::Sample<HeldStep> {
  static std::vector<HeldStep::Options> options() {
    return {{true, {.step_size = 3, .gamma = 0.5}}, {false, {.step_size = 1, .gamma = 0.9}}};
  }
  static long double expected(const HeldStep::Options& o, std::int64_t t) {
    return std::pow((long double)o.schedule.gamma, (long double)(t / o.schedule.step_size));
  }
  static std::int64_t peak(const HeldStep::Options&) { return 0; }
};

INSTANTIATE_TYPED_TEST_SUITE_P(HeldStep, ScheduleContract, HeldStep);
