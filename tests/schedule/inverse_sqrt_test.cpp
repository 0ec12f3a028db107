// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

#include <cmath>
#include <cstdint>
#include <vector>

#include "../contract/schedule.hpp"

using namespace agmohd;

template <>
struct contract::Sample<schedule::InverseSqrt> {
  static std::vector<schedule::InverseSqrt::Options> options() { return {{}, {.timescale = 1}}; }
  static long double expected(const schedule::InverseSqrt::Options& o, std::int64_t t) {
    return 1 / std::sqrt(1 + (long double)t / (long double)o.timescale);
  }
  static std::int64_t peak(const schedule::InverseSqrt::Options&) { return 0; }
};

template <>
struct contract::Sample<schedule::Noam> {
  static std::vector<schedule::Noam::Options> options() {
    return {{}, {.noam_steps = 10}, {.noam_steps = 1}, {.noam_steps = 16, .model_dim = 256}};
  }
  static long double expected(const schedule::Noam::Options& o, std::int64_t t) {
    const long double step = (long double)t + 1, warm = (long double)o.noam_steps;
    const long double highest = 1 / std::sqrt(warm);
    const long double width =
        o.model_dim == 0 ? 1 / highest : 1 / std::sqrt((long double)o.model_dim);
    return width * std::fmin(1 / std::sqrt(step), step / (warm * std::sqrt(warm)));
  }
  static std::int64_t peak(const schedule::Noam::Options& o) { return o.noam_steps - 1; }
};

INSTANTIATE_TYPED_TEST_SUITE_P(InverseSqrtOfSteps, ScheduleContract, schedule::InverseSqrt);
INSTANTIATE_TYPED_TEST_SUITE_P(Noam, ScheduleContract, schedule::Noam);
