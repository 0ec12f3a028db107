// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// What is set or done and has no effect gives one warning, which names the remedy.

#include <gtest/gtest.h>
#include <torch/optim.h>
#include <torch/types.h>

#include <agmohd/agmohd.hpp>
#include <cstdint>
#include <string>
#include <vector>

#include "warnings.hpp"

namespace {

namespace gradient = agmohd::gradient;
namespace hindrance = agmohd::hindrance;
namespace momentum = agmohd::momentum;
namespace rule = agmohd::rule;
namespace schedule = agmohd::schedule;
using Texts = std::vector<std::string>;

class Warned : Warnings {
 public:
  /// Whether exactly these came, each with its text.
  void expect(const Texts& expected) const {
    ASSERT_EQ(texts.size(), expected.size()) << (texts.empty() ? "" : texts[0]);
    for (std::size_t i = 0; i < expected.size(); ++i) {
      EXPECT_NE(texts[i].find(expected[i]), std::string::npos) << texts[i];
    }
  }
};

std::vector<at::Tensor> parameters() {
  at::Tensor p = torch::ones({3}).requires_grad_();
  p.mutable_grad() = torch::full({3}, 0.1);
  return {p};
}

using Selectable = agmohd::Optimizer<agmohd::Recipe<rule::SGD, gradient::Choice, schedule::Choice>>;
using Decaying = agmohd::Optimizer<agmohd::Recipe<rule::SGD, schedule::Warmup<schedule::Linear>>>;

TEST(Mistakes, OptionsWithoutEffect) {
  const Warned warned;
  Selectable idle(parameters(),
                  Selectable::Options(0.1).dampening(0.5).max_value(0.5).total_steps(100));
  warned.expect({"agmohd: dampening was set, but has no effect without momentum above 0",
                 "agmohd: max_value was set, but has no effect without gradient_clipping = value",
                 "agmohd: total_steps was set, but has no effect without lr_schedule = cosine"});
  Selectable used(parameters(), Selectable::Options(0.1)
                                    .momentum(0.9)
                                    .dampening(0.5)
                                    .gradient_clipping(gradient::Clipping::value)
                                    .max_value(0.5)
                                    .lr_schedule(schedule::Shape::cosine)
                                    .total_steps(100));
  for (int i = 0; i < 3; ++i) idle.step(), used.step();
  warned.expect(Texts(3));
}

TEST(Mistakes, TheLearningRateInTheOptimizersOptions) {
  const Warned warned;
  agmohd::SGD optimizer(parameters(), 0.1);
  optimizer.options().lr(0.2);
  for (int i = 0; i < 3; ++i) optimizer.step();
  warned.expect(
      {"agmohd: lr was changed in optimizer.options(), which only groups added later "
       "inherit; for those that exist set it in optimizer.param_groups()[i].options()"});
  agmohd::SGD both(parameters(), 0.1);
  both.options().lr(0.2);
  both.param_groups()[0].options().set_lr(0.2);
  both.step();
  warned.expect(Texts(1));
}

TEST(Mistakes, AScheduleBesideAScheduler) {
  const Warned warned;
  const auto run = [](auto& optimizer, unsigned step_size) {
    torch::optim::StepLR scheduler(optimizer, step_size, 0.9);
    for (int i = 0; i < 12; ++i) optimizer.step(), scheduler.step();
  };
  agmohd::SGD constant(parameters(), 0.1);
  run(constant, 1);
  const auto options = Decaying::Options(0.1).total_steps(20).warmup_steps(2);
  Decaying seldom(parameters(), options), driven(parameters(), options);
  run(seldom, 5);
  warned.expect({});
  run(driven, 1);
  warned.expect(
      {"agmohd: the learning rate was set anew in three steps in a row while the "
       "recipe's schedule, Warmup<Linear>, moves it too: the two multiply"});
}

TEST(Mistakes, StepsBeyondTheSchedule) {
  const Warned warned;
  Decaying optimizer(parameters(), Decaying::Options(0.1).total_steps(10).end_factor(0.25));
  for (int i = 0; i < 10; ++i) optimizer.step();
  warned.expect({});
  for (int i = 0; i < 10; ++i) optimizer.step();
  warned.expect(
      {"agmohd: step 11 is beyond total_steps = 10 of the schedule Warmup<Linear>: the "
       "learning rate stays at 0.25 of lr; total_steps is the length of the whole run"});
  Decaying rising(parameters(),
                  Decaying::Options(0.1).total_steps(5).start_factor(0.1).end_factor(1));
  for (int i = 0; i < 10; ++i) rising.step();  // a warm-up
  warned.expect(Texts(1));
}

}  // namespace
