// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

#include <cmath>
#include <cstdint>
#include <vector>

#include "../contract/schedule.hpp"

using namespace agmohd;

template <>
struct contract::Sample<schedule::Exponential> {
  static std::vector<schedule::Exponential::Options> options() {
    return {{}, {.gamma = 0.5, .decay_steps = 7}, {.gamma = 1}, {.gamma = 0}};
  }
  static long double expected(const schedule::Exponential::Options& o, std::int64_t t) {
    return std::pow((long double)o.gamma, (long double)t / (long double)o.decay_steps);
  }
  static std::int64_t peak(const schedule::Exponential::Options&) { return 0; }
};

INSTANTIATE_TYPED_TEST_SUITE_P(Exponential, ScheduleContract, schedule::Exponential);

namespace {

/// A million steps on, where a product of rounded factors would be 1e-10 of itself away.
TEST(Exponential, KeepsItsDigitsOverLongTrainings) {
  for (const double gamma : {0.99999, 0.9999999, 1 - 0x1p-40}) {
    for (std::int64_t t = 1; t <= 4'000'000; t = 3 * t + 1) {
      const long double exact = std::pow((long double)gamma, (long double)t);
      EXPECT_NEAR(schedule::Exponential::factor({.gamma = gamma}, t), double(exact),
                  double(exact * (2 + std::abs(std::log(exact))) * 1e-15L))
          << gamma << " " << t;
    }
  }
}

}  // namespace
