// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

#include <cmath>
#include <cstdint>
#include <vector>

#include "../contract/trained.hpp"
#include "samples.hpp"

using namespace agmohd;

using WarmupCosine = schedule::Warmup<schedule::Cosine>;
using WarmupLinear = schedule::Warmup<schedule::Linear>;

template <>
struct contract::Sample<schedule::Warmup<>> : contract::WarmupSample<schedule::Constant> {
  static std::vector<Warmup::Options> options() {
    return {{}, {.warmup_steps = 1}, {.warmup_steps = 7}};
  }
};

template <>
struct contract::Sample<WarmupCosine> : contract::WarmupSample<schedule::Cosine> {
  static std::vector<Warmup::Options> options() {
    return {{.warmup_steps = 3, .after = {.total_steps = 12}},
            {.warmup_steps = 0, .after = {.total_steps = 4, .min_factor = 0.2}},
            {.warmup_steps = 10, .after = {.total_steps = 11}}};
  }
};

template <>
struct contract::Sample<WarmupLinear> : contract::WarmupSample<schedule::Linear> {
  static std::vector<Warmup::Options> options() {
    return {
        {.warmup_steps = 5, .after = {.total_steps = 15, .start_factor = 0.5, .end_factor = 0.25}}};
  }
};

INSTANTIATE_TYPED_TEST_SUITE_P(Warmup, ScheduleContract, schedule::Warmup<>);
INSTANTIATE_TYPED_TEST_SUITE_P(WarmupCosine, ScheduleContract, WarmupCosine);
INSTANTIATE_TYPED_TEST_SUITE_P(WarmupLinear, ScheduleContract, WarmupLinear);

namespace {

TEST(Warmup, HasTheShapeOfItsCurve) {
  using schedule::Curve;
  for (const bool from_start : {false, true}) {
    for (const Curve curve : {Curve::linear, Curve::constant, Curve::cosine, Curve::exponential,
                              Curve::one_minus_sqrt}) {
      const schedule::Warmup<>::Options o{.warmup_steps = 10,
                                          .warmup_curve = curve,
                                          .warmup_start = 0.1,
                                          .warmup_from_start = from_start};
      for (std::int64_t t = 0; t < 10; ++t) {
        const long double x = (long double)(from_start ? t : t + 1) / 10;
        const long double height = curve == Curve::linear ? x
                                   : curve == Curve::cosine
                                       ? (1 - std::cos(std::acos(-1.0L) * x)) / 2
                                   : curve == Curve::one_minus_sqrt ? 1 - std::sqrt(1 - x)
                                                                    : 0;
        const long double low = o.warmup_start;
        const long double expected =
            curve == Curve::exponential ? std::pow(low, 1 - x) : low + (1 - low) * height;
        EXPECT_NEAR(schedule::Warmup<>::factor(o, t), double(expected), 1e-15) << t;
      }
      EXPECT_EQ(schedule::Warmup<>::factor(o, 10), 1);
    }
  }
}

TEST(ScheduledRecipe, FollowsAStockOptimizerWithTheSchedulerAndResumes) {
  using Recipe = agmohd::Recipe<rule::SGD, WarmupCosine>;
  using Trained = contract::Trained<Recipe>;
  for (const auto& sample : contract::Sample<WarmupCosine>::options()) {
    Trained own(Trained::Options(0.5).template set<typename Recipe::Schedule>(sample), at::kDouble);
    const std::vector<at::Tensor> params = contract::parameters(at::kDouble);
    torch::optim::SGD stock(params, torch::optim::SGDOptions(0.5));
    schedule::Scheduler<WarmupCosine> scheduler(stock, sample);
    for (std::int64_t t = 0; t < 16; ++t) {
      own.run(t, t + 1);
      contract::set_gradients(params, t);
      stock.step();
      scheduler.step();
      for (std::size_t i = 0; i < params.size(); ++i) {
        EXPECT_TRUE(at::allclose(own.params[i], params[i], 1e-13, 1e-13)) << t;
      }
    }
    EXPECT_EQ(own.optimizer.updates(), 16);
    EXPECT_EQ(own.optimizer.options().lr(), 0.5);  // the schedule leaves the options alone
    contract::expect_resumes<Recipe>(
        Trained::Options(0.5).template set<typename Recipe::Schedule>(sample), at::kFloat);
  }
}

}  // namespace
