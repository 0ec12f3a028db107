// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

#include <cmath>
#include <cstdint>
#include <vector>

#include "../contract/schedule.hpp"

using namespace agmohd;

template <>
struct contract::Sample<schedule::Polynomial> {
  static std::vector<schedule::Polynomial::Options> options() {
    return {{.total_steps = 10},
            {.total_steps = 1000, .power = 2.5, .min_factor = 0.1},
            {.total_steps = 30, .power = 0.5},
            {.total_steps = 1, .power = 3}};
  }
  static long double expected(const schedule::Polynomial::Options& o, std::int64_t t) {
    const long double rest = std::fmax(0.0L, 1 - (long double)t / (long double)o.total_steps);
    const long double low = o.min_factor;
    return low + (1 - low) * std::pow(rest, (long double)o.power);
  }
  static std::int64_t peak(const schedule::Polynomial::Options&) { return 0; }
  static std::int64_t last(const schedule::Polynomial::Options& o) { return o.total_steps; }
};

INSTANTIATE_TYPED_TEST_SUITE_P(Polynomial, ScheduleContract, schedule::Polynomial);
