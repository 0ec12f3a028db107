// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

#include <cmath>
#include <cstdint>
#include <vector>

#include "../../examples/own_policies/own_policies.hpp"
#include "../contract/schedule.hpp"

template <>
struct contract::Sample<own::InverseSqrt> {
  static std::vector<own::InverseSqrt::Options> options() { return {{}, {.period = 1}}; }
  static long double expected(const own::InverseSqrt::Options& o, std::int64_t t) {
    return 1 / std::sqrt(1 + (long double)t / (long double)o.period);
  }
  static std::int64_t peak(const own::InverseSqrt::Options&) { return 0; }
};

INSTANTIATE_TYPED_TEST_SUITE_P(InverseSqrt, ScheduleContract, own::InverseSqrt);
