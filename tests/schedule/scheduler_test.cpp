// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

#include <agmohd/agmohd.hpp>
#include <agmohd/schedule/by_name.hpp>
#include <cstdint>
#include <sstream>
#include <vector>

#include "../contract/schedule.hpp"

using namespace agmohd;

namespace {

double rate_of(const torch::optim::Optimizer& optimizer) {
  return optimizer.param_groups()[0].options().get_lr();
}

TEST(LambdaScheduler, DrivesAnOptimizerByAFunction) {
  torch::optim::SGD first({at::zeros({2})}, torch::optim::SGDOptions(0.5));
  agmohd::AdamW second({at::zeros({2})}, agmohd::AdamWOptions(0.5));
  const auto cosine = schedule::from_text("cosine,total_steps=10,warmup_steps=3,min_factor=0.1");
  schedule::LambdaScheduler saved(first, cosine);
  for (std::int64_t t = 0; t < 6; ++t) {
    EXPECT_EQ(rate_of(first), 0.5 * cosine(t)) << t;
    saved.step();
  }
  schedule::LambdaScheduler loaded(second, cosine);
  std::stringstream file;
  torch::save(saved, file);
  torch::load(loaded, file);
  for (std::int64_t t = 6; t < 13; ++t) {
    EXPECT_EQ(rate_of(second), 0.5 * cosine(t)) << t;
    loaded.step();
  }
  EXPECT_THROW(schedule::LambdaScheduler(first, nullptr), c10::Error);
}

TEST(Scheduler, ChangesItsOptionsInTheCourseOfATraining) {
  using Mine = schedule::WarmupStableDecay;
  torch::optim::SGD optimizer({at::zeros({2})}, torch::optim::SGDOptions(1));
  schedule::Scheduler<Mine> scheduler(optimizer, {.warmup_steps = 2, .after = {.decay_steps = 2}});
  std::vector<double> rates;
  for (int step = 0; step < 9; ++step) {
    if (step == 5) {
      Mine::Options now = scheduler.options();
      now.after.decay_start = step;
      scheduler.options(now);
    }
    rates.push_back(rate_of(optimizer));
    scheduler.step();
  }
  EXPECT_EQ(rates, (std::vector<double>{0.5, 1, 1, 1, 1, 1, 0.5, 0, 0}));
  EXPECT_THROW(scheduler.options({}), c10::Error);  // no decay_steps
}

}  // namespace
