// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

#include <agmohd/rule/adamw_schedule_free.hpp>
#include <agmohd/wrap/evaluation.hpp>
#include <cstdint>
#include <exception>
#include <sstream>
#include <string>
#include <vector>

#include "../contract/rule.hpp"
#include "first_step.hpp"

using namespace agmohd;

template <>
struct contract::Sample<rule::AdamWScheduleFree> {
  static constexpr const char* golden = "unscheduled";
  static constexpr bool remembers_rate = true;
  static std::vector<rule::AdamWScheduleFree::Options> options() {
    return {{},
            {.betas = {0.5, 0.9}, .eps = 1e-3, .weight_decay = 0.1, .r = 2},
            {.betas = {0.95, 0.0}, .weight_lr_power = 0, .maximize = true}};
  }
  static double first(const rule::AdamWScheduleFree::Options& o, double lr, double p, double g) {
    return p - lr * (adam_direction(o.maximize ? -g : g, o.eps) + o.weight_decay * p);
  }
};

INSTANTIATE_TYPED_TEST_SUITE_P(AdamWScheduleFree, RuleContract, rule::AdamWScheduleFree);

namespace {

using TrainedScheduleFree = contract::Trained<Recipe<rule::AdamWScheduleFree>>;

at::Tensor z_of(const TrainedScheduleFree::Optimizer& optimizer, const at::Tensor& param) {
  const auto& state = *optimizer.state().at(param.unsafeGetTensorImpl());
  return static_cast<const TrainedScheduleFree::Optimizer::ParamState&>(state).get<"z">();
}

bool near(const at::Tensor& a, const at::Tensor& b, double bound) {
  return at::allclose(a.to(at::kDouble), b.to(at::kDouble), bound, bound);
}

TEST(Evaluation, ParametersAreTheAverageAndThenWhatTheyWere) {
  TrainedScheduleFree trained(TrainedScheduleFree::Options(0.05), at::kDouble);
  std::vector<at::Tensor> averages;
  std::vector<double> steps(trained.params.size());
  for (const at::Tensor& p : trained.params) averages.push_back(p.detach().clone());
  for (std::int64_t step = 0; step < 12; ++step) {
    trained.run(step, step + 1);
    for (std::size_t i = 0; i < averages.size(); ++i) {
      if (!trained.params[i].grad().defined() || trained.params[i].numel() == 0) continue;
      averages[i].lerp_(z_of(trained.optimizer, trained.params[i]), 1 / (steps[i] += 1));
    }
  }
  const contract::Snapshot before = trained.now();
  {
    const wrap::Evaluation scope(trained.optimizer);
    EXPECT_TRUE(wrap::is_evaluating(trained.optimizer));
    EXPECT_THROW(wrap::Evaluation(trained.optimizer), c10::Error);
    for (std::size_t i = 0; i < averages.size(); ++i) {
      EXPECT_TRUE(near(trained.params[i], averages[i], 1e-13)) << i;
    }
    wrap::evaluate(trained.optimizer);  // they are already
    EXPECT_TRUE(near(trained.params[0], averages[0], 1e-13));
  }
  EXPECT_FALSE(wrap::is_evaluating(trained.optimizer));
  contract::expect_same(trained.now(), before);
  trained.run(12, 13);
}

TEST(Evaluation, StepIsRefusedMeanwhile) {
  TrainedScheduleFree trained(TrainedScheduleFree::Options(0.05));
  trained.run(0, 3);
  const contract::Snapshot before = trained.now();
  wrap::Evaluation scope(trained.optimizer);
  const contract::Snapshot averages = trained.now();
  try {
    trained.run(3, 4);
    ADD_FAILURE() << "no error";
  } catch (const c10::Error& error) {
    const std::string what = error.what_without_backtrace();
    EXPECT_NE(what.find("evaluating"), std::string::npos) << what;
  }
  contract::expect_same(trained.now(), averages);
  scope.end();
  scope.end();
  contract::expect_same(trained.now(), before);
  trained.run(3, 4);
}

TEST(Evaluation, CheckpointsAreRefusedMeanwhile) {
  TrainedScheduleFree trained(TrainedScheduleFree::Options(0.05));
  trained.run(0, 3);
  std::stringstream file;
  torch::serialize::OutputArchive good;
  trained.optimizer.save(good);
  good.save_to(file);
  torch::serialize::InputArchive read;
  read.load_from(file);
  const contract::Snapshot before = trained.now();
  {
    const wrap::Evaluation scope(trained.optimizer);
    const contract::Snapshot averages = trained.now();
    for (const std::string call : {"save", "load"}) {
      torch::serialize::OutputArchive archive;
      try {
        call == "save" ? trained.optimizer.save(archive) : trained.optimizer.load(read);
        ADD_FAILURE() << "no error";
      } catch (const c10::Error& error) {
        const std::string what = error.what_without_backtrace();
        EXPECT_NE(what.find(call + "() while"), std::string::npos) << what;
        EXPECT_NE(what.find("wrap::train"), std::string::npos) << what;
      }
    }
    contract::expect_same(trained.now(), averages);
    EXPECT_TRUE(wrap::is_evaluating(trained.optimizer));
  }
  contract::expect_same(trained.now(), before);
  trained.optimizer.load(read);
  contract::expect_same(trained.now(), before);
}

TEST(Evaluation, AnErrorLeavesTheParametersAsTheyWere) {
  TrainedScheduleFree trained(TrainedScheduleFree::Options(0.05), at::kDouble);
  trained.run(0, 3);
  const contract::Snapshot before = trained.now();
  auto& groups = trained.optimizer.param_groups();
  const at::Tensor& last = groups.back().params().back();
  auto& state = *trained.optimizer.state().at(last.unsafeGetTensorImpl());
  auto& ours = static_cast<TrainedScheduleFree::Optimizer::ParamState&>(state);
  const at::Tensor z = ours.get<"z">();
  ours.set<"z">(at::zeros({last.numel() + 2, 3}, at::kDouble));
  EXPECT_THROW(wrap::Evaluation(trained.optimizer), std::exception);
  ours.set<"z">(z);
  EXPECT_FALSE(wrap::is_evaluating(trained.optimizer));
  contract::expect_same(trained.now(), before);
}

TEST(Evaluation, GoesThereAndBackWithoutACopy) {
  for (const at::ScalarType dtype : {at::kFloat, at::kDouble, at::kBFloat16}) {
    TrainedScheduleFree trained(TrainedScheduleFree::Options(1.0), dtype);
    wrap::evaluate(trained.optimizer);  // nothing was updated
    wrap::train(trained.optimizer);
    trained.run(0, 5);
    const contract::Snapshot before = trained.now();
    wrap::train(trained.optimizer);
    contract::expect_same(trained.now(), before);
    wrap::evaluate(trained.optimizer);
    const double bound = dtype == at::kDouble ? 1e-14 : dtype == at::kFloat ? 1e-6 : 1e-2;
    const at::Tensor& y = before.tensors[6 * 3].second;  // each has a parameter and two slots
    EXPECT_FALSE(near(trained.params[6], y, bound));
    wrap::train(trained.optimizer);
    contract::expect_close(trained.now(), before, bound);
  }
}

}  // namespace
