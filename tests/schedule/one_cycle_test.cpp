// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

#include <cmath>
#include <cstdint>
#include <vector>

#include "../contract/schedule.hpp"

using namespace agmohd;

template <>
struct contract::Sample<schedule::OneCycle> {
  using Options = schedule::OneCycle::Options;
  static std::vector<Options> options() {
    using schedule::Anneal;
    return {
        {.total_steps = 20},
        {.total_steps = 31, .pct_start = 0.25, .div_factor = 10, .anneal_strategy = Anneal::linear},
        {.total_steps = 40, .pct_start = 0.4, .final_div_factor = 100, .three_phase = true},
        {.total_steps = 10, .pct_start = 1},
        {.total_steps = 1}};
  }
  static long double expected(const Options& o, std::int64_t t) {
    const long double last = (long double)o.total_steps - 1;
    const long double s = std::fmin((long double)t, last);
    const long double up = (long double)o.pct_start * (long double)o.total_steps - 1;
    const long double down = 2 * up;
    const double low = 1 / o.div_factor, end = low / o.final_div_factor;
    if (s == last && up < last) return end;
    if (s == 0 && up > 0) return low;
    const auto anneal = [&](long double a, long double b, long double x) {
      if (o.anneal_strategy == schedule::Anneal::linear) return a + (b - a) * x;
      return b + (a - b) * (1 + std::cos(std::acos(-1.0L) * x)) / 2;
    };
    if (s <= up) return anneal(low, 1, s / up);
    if (!o.three_phase) return anneal(1, end, (s - up) / (last - up));
    if (s <= down) return anneal(1, low, (s - up) / (down - up));
    return anneal(low, end, (s - down) / (last - down));
  }
  static std::int64_t last(const Options& o) { return o.total_steps - 1; }
};

INSTANTIATE_TYPED_TEST_SUITE_P(OneCycle, ScheduleContract, schedule::OneCycle);
