// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

#include <cmath>
#include <cstdint>
#include <vector>

#include "../contract/schedule.hpp"

using namespace agmohd;

template <>
struct contract::Sample<schedule::StableDecay> {
  using Options = schedule::StableDecay::Options;
  static std::vector<Options> options() {
    using schedule::Curve;
    return {{.total_steps = 20, .decay_steps = 5},
            {.total_steps = 9, .decay_steps = 9, .decay_curve = Curve::cosine, .min_factor = 0.25},
            {.decay_steps = 4, .decay_start = 3, .decay_curve = Curve::one_minus_sqrt},
            {.decay_steps = 10, .decay_curve = Curve::constant},
            {.total_steps = 12,
             .decay_steps = 8,
             .decay_curve = Curve::exponential,
             .min_factor = 0.01}};
  }
  static long double expected(const Options& o, std::int64_t t) {
    using schedule::Curve;
    if (o.total_steps == 0 && o.decay_start < 0) return 1;
    const std::int64_t begin = o.decay_start < 0 ? o.total_steps - o.decay_steps : o.decay_start;
    const long double x = std::fmin(1.0L, (long double)(t - begin) / (long double)o.decay_steps);
    if (x <= 0) return 1;
    const long double low = o.min_factor;
    if (o.decay_curve == Curve::exponential) return std::pow(low, x);
    const long double height = o.decay_curve == Curve::linear ? 1 - x
                               : o.decay_curve == Curve::cosine
                                   ? (1 + std::cos(std::acos(-1.0L) * x)) / 2
                               : o.decay_curve == Curve::one_minus_sqrt ? 1 - std::sqrt(x)
                                                                        : 0;
    return low + (1 - low) * height;
  }
  static std::int64_t peak(const Options&) { return 0; }
  static std::int64_t last(const Options& o) {
    return o.decay_start < 0 ? o.total_steps : o.decay_start + o.decay_steps;
  }
};

INSTANTIATE_TYPED_TEST_SUITE_P(StableDecay, ScheduleContract, schedule::StableDecay);

namespace {

TEST(WarmupStableDecay, BeginsItsDecayWhenTold) {
  using Mine = agmohd::Optimizer<Recipe<rule::SGD, schedule::WarmupStableDecay>>;
  const at::Tensor p = torch::ones({3}).requires_grad_();
  Mine optimizer({p}, Mine::Options(1).warmup_steps(2).set<"decay_steps">(2));
  std::vector<double> rates;
  for (int step = 0; step < 9; ++step) {
    if (step == 5) optimizer.options().set<"decay_start">(optimizer.updates());
    p.mutable_grad() = torch::zeros({3});
    rates.push_back(optimizer.current_lr());
    optimizer.step();
  }
  EXPECT_EQ(rates, (std::vector<double>{0.5, 1, 1, 1, 1, 1, 0.5, 0, 0}));
}

/// As the warm-up is part of total_steps, also within Scale.
TEST(WarmupStableDecay, EndsWhereItsTotalStepsDo) {
  using Mine = schedule::Warmup<schedule::Scale<schedule::StableDecay>>;
  const Mine::Options o{.warmup_steps = 4,
                        .after = {.scale = 0.5, .schedule = {.total_steps = 12, .decay_steps = 4}}};
  check<Mine>(o);
  EXPECT_EQ(Mine::factor(o, 3), 0.5);
  EXPECT_EQ(Mine::factor(o, 8), 0.5);
  EXPECT_EQ(Mine::factor(o, 10), 0.25);
  EXPECT_EQ(Mine::factor(o, 12), 0);
}

}  // namespace
