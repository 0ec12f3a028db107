// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

#include <cstdint>
#include <vector>

#include "samples.hpp"

using namespace agmohd;

using ScaleCosine = schedule::Scale<schedule::Cosine>;

template <>
struct contract::Sample<ScaleCosine> {
  static std::vector<ScaleCosine::Options> options() {
    return {{.schedule = {.total_steps = 10}},
            {.scale = 0.25, .schedule = {.total_steps = 7, .min_factor = 0.5}}};
  }
  static long double expected(const ScaleCosine::Options& o, std::int64_t t) {
    return o.scale * contract::Sample<schedule::Cosine>::expected(o.schedule, t);
  }
  static std::int64_t peak(const ScaleCosine::Options&) { return 0; }
  static std::int64_t last(const ScaleCosine::Options& o) { return o.schedule.total_steps; }
};

INSTANTIATE_TYPED_TEST_SUITE_P(ScaleCosine, ScheduleContract, ScaleCosine);
