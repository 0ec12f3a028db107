// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

#include <cmath>
#include <cstdint>
#include <vector>

#include "samples.hpp"

using namespace agmohd;

using RestartLinear = schedule::Restart<schedule::Linear>;

template <>
struct contract::Sample<RestartLinear> {
  static std::vector<RestartLinear::Options> options() {
    return {{.restart_steps = 8, .schedule = {.total_steps = 8}},
            {.restart_steps = 3, .restart_mult = 2, .schedule = {.total_steps = 2}},
            {.restart_steps = 4,
             .restart_mult = 3,
             .restart_decay = 0.5,
             .restart_cycles = 2,
             .schedule = {.total_steps = 4, .end_factor = 0.25}}};
  }
  static long double expected(const RestartLinear::Options& o, std::int64_t t) {
    std::int64_t length = o.restart_steps, cycle = 0;
    schedule::Linear::Options inner = o.schedule;
    while (t >= length && cycle + 1 != o.restart_cycles) {
      t -= length;
      length *= o.restart_mult;
      inner.total_steps *= o.restart_mult;
      cycle += 1;
    }
    return std::pow((long double)o.restart_decay, (long double)cycle) *
           contract::Sample<schedule::Linear>::expected(inner, t);
  }
};

INSTANTIATE_TYPED_TEST_SUITE_P(RestartLinear, ScheduleContract, RestartLinear);

namespace {

TEST(Restart, OfACosineIsCosineRestarts) {
  for (const std::int64_t mult : {1, 2}) {
    for (std::int64_t t = 0; t < 200; ++t) {
      EXPECT_EQ((schedule::Restart<schedule::Cosine>::factor(
                    {.restart_steps = 5,
                     .restart_mult = mult,
                     .schedule = {.total_steps = 5, .min_factor = 0.1}},
                    t)),
                (schedule::CosineRestarts::factor(
                    {.restart_steps = 5, .restart_mult = mult, .min_factor = 0.1}, t)))
          << t;
    }
  }
}

template <class S>
void expect_stretched(const typename S::Options& of_first, const typename S::Options& of_second) {
  const typename schedule::Restart<S>::Options o{
      .restart_steps = 10, .restart_mult = 2, .schedule = of_first};
  for (std::int64_t t = 0; t < 30; ++t) {
    EXPECT_EQ(schedule::Restart<S>::factor(o, t),
              t < 10 ? S::factor(of_first, t) : S::factor(of_second, t - 10))
        << S::name() << " " << t;
  }
}

TEST(Restart, GrowsWhatIsInsideOtherSchedules) {
  using namespace schedule;
  expect_stretched<Scale<Cosine>>({.scale = 0.5, .schedule = {.total_steps = 10}},
                                  {.scale = 0.5, .schedule = {.total_steps = 20}});
  expect_stretched<Warmup<Cosine>>({.warmup_steps = 3, .after = {.total_steps = 10}},
                                   {.warmup_steps = 3, .after = {.total_steps = 20}});
  expect_stretched<Warmup<Scale<Linear>>>(
      {.warmup_steps = 3, .after = {.scale = 0.5, .schedule = {.total_steps = 10}}},
      {.warmup_steps = 3, .after = {.scale = 0.5, .schedule = {.total_steps = 20}}});
  Product<Cosine, Linear>::Options product, longer;
  product.schedules.head.total_steps = product.schedules.rest.head.total_steps = 10;
  longer.schedules.head.total_steps = longer.schedules.rest.head.total_steps = 20;
  expect_stretched<Product<Cosine, Linear>>(product, longer);
  Sequence<Linear, Cosine>::Options sequence, stretched;
  sequence.milestones = {4};
  sequence.schedules.head.total_steps = 4;
  sequence.schedules.rest.head.total_steps = 6;
  stretched.milestones = {8};
  stretched.schedules.head.total_steps = 8;
  stretched.schedules.rest.head.total_steps = 12;
  expect_stretched<Sequence<Linear, Cosine>>(sequence, stretched);
  // A Restart inside keeps its cycles.
  const Restart<Cosine>::Options own{.restart_steps = 5, .schedule = {.total_steps = 5}};
  expect_stretched<Restart<Cosine>>(own, own);
}

}  // namespace
