// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// Schedulers of torch::optim and of agmohd.

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <agmohd/agmohd.hpp>
#include <sstream>
#include <vector>

#include "program.hpp"

namespace {

using namespace testing_dropin;

template <class NS>
std::vector<double> schedulers() {
  auto model = net();
  typename NS::AdamW optimizer(model->parameters(), typename NS::AdamWOptions(2e-2));
  typename NS::StepLR by_step(optimizer, 5, 0.5);
  typename NS::Plateau plateau(optimizer, NS::Plateau::min, 0.5F, 2);
  std::vector<double> losses;
  for (int t = 0; t < 30; ++t) {
    losses.push_back(train(*model, optimizer, t, t + 1)[0]);
    by_step.step();
    plateau.step(float(losses.back()));
  }
  return losses;
}
TEST(DropIn, SchedulersOfTorch) { expect_close(schedulers<Torch>(), schedulers<Ours>()); }

TEST(Scheduler, DrivesAStockOptimizerAndIsSaved) {
  using Schedule = agmohd::schedule::Warmup<agmohd::schedule::Cosine>;
  const Schedule::Options plan{.warmup_steps = 3, .after = {.total_steps = 20, .min_factor = 0.1}};
  Tensor p = torch::ones({2}).requires_grad_();
  torch::optim::SGD stock(std::vector<Tensor>{p}, torch::optim::SGDOptions(0.4));
  agmohd::schedule::Scheduler<Schedule> scheduler(stock, plan);
  std::stringstream file;
  for (int t = 0; t < 25; ++t) {
    EXPECT_DOUBLE_EQ(stock.param_groups()[0].options().get_lr(), 0.4 * Schedule::factor(plan, t))
        << t;
    scheduler.step();
    if (t == 9) torch::save(scheduler, file);
  }
  torch::optim::SGD other(std::vector<Tensor>{p}, torch::optim::SGDOptions(7));
  agmohd::schedule::Scheduler<Schedule> loaded(other, plan);
  torch::load(loaded, file);
  EXPECT_DOUBLE_EQ(other.param_groups()[0].options().get_lr(), 0.4 * Schedule::factor(plan, 10));
  loaded.step();
  EXPECT_DOUBLE_EQ(other.param_groups()[0].options().get_lr(), 0.4 * Schedule::factor(plan, 11));
}

}  // namespace
