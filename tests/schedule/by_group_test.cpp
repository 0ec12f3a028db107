// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

#include <torch/optim/adamw.h>
#include <torch/optim/sgd.h>

#include <agmohd/schedule/by_group.hpp>
#include <cstdint>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "../contract/trained.hpp"
#include "samples.hpp"

using namespace agmohd;

using WarmAndCosine = schedule::ByGroup<schedule::Warmup<>, schedule::Cosine>;

template <>
struct contract::Sample<WarmAndCosine> {
  static std::vector<WarmAndCosine::Options> options() {
    return {{{{.warmup_steps = 7}, {{.total_steps = 20, .min_factor = 0.1}}}},
            {{{.warmup_steps = 3}, {{.total_steps = 1}}}}};
  }
};

namespace by_group {

using Groups = std::vector<torch::optim::OptimizerParamGroup>;

Groups groups_of(const std::vector<at::Tensor>& params) {
  Groups groups;
  for (const at::Tensor& param : params) groups.emplace_back(std::vector<at::Tensor>{param});
  return groups;
}
const WarmAndCosine::Options& sample() {
  static const WarmAndCosine::Options options = contract::Sample<WarmAndCosine>::options()[0];
  return options;
}
/// By hand: the last schedule is for all groups behind it.
double factor(std::size_t group, std::int64_t t) {
  return group == 0 ? schedule::Warmup<>::factor(sample().schedules.head, t)
                    : schedule::Cosine::factor(sample().schedules.rest.head, t);
}
std::vector<at::Tensor> three(at::ScalarType dtype) {
  std::vector<at::Tensor> params;
  for (const std::int64_t size : {5, 20'000, 33}) {
    params.push_back(at::ones({size}, dtype).requires_grad_());
  }
  return params;
}

TEST(ByGroup, Bounds) { contract::expect_bounds<WarmAndCosine>(); }

/// With gradients of 1 a step of SGD subtracts the learning rate.
template <class... More>
void expect_rates(bool reference) {
  using Mine = Optimizer<Recipe<rule::SGD, WarmAndCosine, More...>>;
  const std::vector<at::Tensor> params = three(at::kDouble);
  Mine optimizer(groups_of({params[0], params[1]}),
                 typename Mine::Options(0.5).template set<WarmAndCosine>(sample()));
  if (reference) optimizer.use_tensor_backend();
  static_cast<typename Mine::Options&>(optimizer.param_groups()[1].options()).lr(0.25);
  for (std::int64_t t = 0; t < 25; ++t) {
    if (t == 4) {
      optimizer.add_param_group(torch::optim::OptimizerParamGroup(std::vector{params[2]}));
    }
    const std::size_t groups = t < 4 ? 2 : 3;
    std::vector<at::Tensor> before;
    for (const at::Tensor& param : params) {
      before.push_back(param.detach().clone());
      param.mutable_grad() = at::ones_like(param.detach());
    }
    for (std::size_t g = 0; g < groups; ++g) {
      EXPECT_EQ(optimizer.current_lr(g), (g == 1 ? 0.25 : 0.5) * factor(g, t));
    }
    optimizer.step();
    for (std::size_t g = 0; g < groups; ++g) {
      const double lr = (g == 1 ? 0.25 : 0.5) * factor(g, t);
      EXPECT_TRUE(at::equal(params[g].detach(), before[g] - lr)) << t << ", group " << g;
    }
    if constexpr (Mine::Recipe::recorded) {
      EXPECT_EQ(optimizer.effective_lr(), 0.5 * factor(0, t)) << t;
    }
  }
}
TEST(ByGroup, EveryGroupFollowsItsScheduleAndALaterOneTheLast) {
  for (const bool reference : {false, true}) {
    expect_rates<>(reference);
    expect_rates<contract::SkipAbove>(reference);
  }
}

/// PyTorch's AdamW, whose rates are set by hand.
TEST(ByGroup, TrainsAsStockAdamWWithTheRatesOfEachGroup) {
  using Mine = Optimizer<Recipe<rule::AdamW, WarmAndCosine>>;
  const std::vector<at::Tensor> ours = three(at::kDouble), theirs = three(at::kDouble);
  Mine mine(groups_of(ours), Mine::Options(0.01).set<WarmAndCosine>(sample()));
  torch::optim::AdamW stock(groups_of(theirs), torch::optim::AdamWOptions(0.01));
  for (std::int64_t t = 0; t < 25; ++t) {
    contract::set_gradients(ours, t);
    contract::set_gradients(theirs, t);
    for (std::size_t g = 0; g < 3; ++g) {
      stock.param_groups()[g].options().set_lr(0.01 * factor(g, t));
    }
    mine.step();
    stock.step();
  }
  for (std::size_t i = 0; i < ours.size(); ++i)
    EXPECT_TRUE(at::allclose(ours[i], theirs[i], 1e-12));
}

TEST(ByGroup, DrivesAStockOptimizerAndIsSavedAndLoaded) {
  const auto make = [] {
    return torch::optim::SGD(groups_of(three(at::kFloat)), torch::optim::SGDOptions(0.5));
  };
  torch::optim::SGD stock = make(), other = make();
  schedule::Scheduler<WarmAndCosine> scheduler(stock, sample()), loaded(other, sample());
  for (std::int64_t t = 0; t < 25; ++t) {
    std::stringstream file;
    torch::save(scheduler, file);
    torch::load(loaded, file);
    for (std::size_t g = 0; g < 3; ++g) {
      EXPECT_EQ(stock.param_groups()[g].options().get_lr(), 0.5 * factor(g, t)) << t;
      EXPECT_EQ(other.param_groups()[g].options().get_lr(), 0.5 * factor(g, t)) << t;
    }
    stock.step();
    scheduler.step();
  }
}

TEST(ByGroup, OptionsAreSetByPolicyAndItResumes) {
  using Mine = Recipe<rule::AdamW, WarmAndCosine>;
  const auto options = Options<Mine>(0.1)
                           .set<schedule::Warmup<>>({.warmup_steps = 7})
                           .set<schedule::Cosine>({.total_steps = 20, .min_factor = 0.1});
  EXPECT_TRUE(options == Options<Mine>(0.1).set<WarmAndCosine>(sample()));
  contract::expect_resumes<Mine>(options, at::kFloat);
  contract::expect_backends_agree<Mine>(options);
  EXPECT_EQ(
      contract::message<WarmAndCosine>({}),
      "total_steps = 0, but it must be finite and at least 1: it must be given (0 = not given)");
}

}  // namespace by_group
