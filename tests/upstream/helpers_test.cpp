// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// Helpers of a program that know torch.optim's types alone, and its oldest archives.

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cstdint>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <tuple>
#include <vector>

#include "twins.hpp"

namespace {

using namespace testing_upstream;

/// What a program does in a helper that knows torch.optim's types alone.
template <class StockOptions>
void helper(torch::optim::Optimizer& optimizer, double lr) {
  for (auto& group : optimizer.param_groups()) {
    auto& options = static_cast<StockOptions&>(group.options());
    ASSERT_NE(dynamic_cast<StockOptions*>(&group.options()), nullptr);
    options.lr(lr).weight_decay(0.25);
    if constexpr (requires { options.lr_decay(); }) {
      options.lr_decay(0.1).eps(1e-3);
    } else if constexpr (requires { options.alpha(); }) {
      options.alpha(0.8).eps() = 1e-3;
    } else if constexpr (requires { options.betas(); }) {
      options.eps() = 1e-3;
    } else {
      options.momentum(0.5).dampening(0.125);
    }
  }
}
TYPED_TEST(Upstream, OptionsCastToTorchsOwnAreTheSame) {
  using F = TestFixture;
  const Tensors a = parameters(), b = parameters();
  typename F::Stock stock(a, typename F::StockOptions(0.1));
  typename F::Optimizer ours(b, typename F::Options(0.1));
  if constexpr (requires { ours.options().max_norm(1); }) {
    ours.options().gradient_clipping(agmohd::gradient::Clipping::none);
  }
  for (int t = 0; t < 8; ++t) {
    if (t == 3)
      helper<typename F::StockOptions>(stock, 0.02), helper<typename F::StockOptions>(ours, 0.02);
    give_gradients(a, t);
    give_gradients(b, t);
    stock.step();
    ours.step();
  }
  expect_close(a, b);
  const auto& seen = static_cast<const typename F::Options&>(ours.param_groups()[0].options());
  EXPECT_EQ(seen.lr(), 0.02);
  EXPECT_EQ(seen.weight_decay(), 0.25);
  EXPECT_EQ(seen.get_lr(), 0.02);
  if constexpr (requires { seen.betas(); }) {
    auto& options = static_cast<typename F::StockOptions&>(ours.param_groups()[0].options());
    std::get<0>(options.betas()) = 0.5;
    EXPECT_EQ(std::get<0>(seen.betas()), 0.5);
  }
  std::stringstream file;
  torch::save(ours, file);
  typename F::Optimizer loaded(parameters(), typename F::Options(0.5));
  torch::load(loaded, file);
  EXPECT_TRUE(static_cast<const typename F::Options&>(loaded.param_groups()[0].options()) == seen);
  // Bad values that come that way are found by the step.
  static_cast<typename F::StockOptions&>(ours.param_groups()[0].options()).lr(-1);
  EXPECT_THROW(ours.step(), c10::Error);
}
TYPED_TEST(Upstream, TakesTorchsOwnOptions) {
  using F = TestFixture;
  const Tensors params = parameters();
  typename F::StockOptions own(0.03);
  own.weight_decay(0.4);
  std::vector<Group> groups;
  groups.emplace_back(Tensors{params[0]});
  groups.emplace_back(Tensors{params[1]}, std::make_unique<typename F::StockOptions>(own));
  typename F::Optimizer optimizer(groups, typename F::StockOptions(0.2).weight_decay(0.1));
  static_cast<torch::optim::Optimizer&>(optimizer).add_param_group(
      Group({params[2]}, std::make_unique<typename F::StockOptions>(own)));
  EXPECT_EQ(optimizer.current_lr(2), 0.03);  // before a step looked at them
  std::stringstream file;
  torch::save(optimizer, file);
  give_gradients(params, 0);
  optimizer.step();
  const auto options = [&](std::size_t g) -> const typename F::Options& {
    return dynamic_cast<const typename F::Options&>(optimizer.param_groups()[g].options());
  };
  EXPECT_EQ(options(0).lr(), 0.2);
  EXPECT_EQ(options(0).weight_decay(), 0.1);
  for (const std::size_t g : {1, 2}) {
    EXPECT_EQ(options(g).lr(), 0.03) << g;
    EXPECT_EQ(options(g).weight_decay(), 0.4) << g;
  }
}
TYPED_TEST(Upstream, OptionsGivenThroughTheBaseClassHold) {
  using F = TestFixture;
  const Tensors params = parameters();
  typename F::Optimizer optimizer(Tensors{params[0]}, typename F::Options(0.2).weight_decay(0.1));
  static_cast<torch::optim::Optimizer&>(optimizer).add_param_group(
      Group({params[1]},
            std::make_unique<typename F::Options>(typename F::Options(0.03).weight_decay(0.4))));
  static_cast<torch::optim::Optimizer&>(optimizer).add_param_group(Group({params[2]}));
  give_gradients(params, 0);
  optimizer.step();
  EXPECT_EQ(optimizer.param_groups()[1].options().get_lr(), 0.03);
  EXPECT_EQ(static_cast<typename F::Options&>(optimizer.param_groups()[1].options()).weight_decay(),
            0.4);
  EXPECT_EQ(optimizer.param_groups()[2].options().get_lr(), 0.2);
}

/// What LibTorch before 1.5 wrote: lists in the order of the parameters, no options.
std::string archive_before_1_5(const std::map<std::string, Tensors>& lists) {
  torch::serialize::OutputArchive archive;
  for (const auto& [name, list] : lists) {
    archive.write(name + "/size", torch::tensor(std::int64_t(list.size())));
    for (std::size_t i = 0; i < list.size(); ++i) {
      archive.write(name + "/" + std::to_string(i), list[i], /*is_buffer=*/true);
    }
  }
  std::stringstream file;
  archive.save_to(file);
  return file.str();
}
template <class Optimizer>
void load_from(Optimizer& optimizer, const std::string& bytes) {
  std::stringstream file(bytes);
  torch::serialize::InputArchive archive;
  archive.load_from(file);
  optimizer.load(archive);
}
TYPED_TEST(Upstream, LoadsArchivesFromBefore15) {
  using F = TestFixture;
  const Tensors a = parameters(), b = parameters();
  std::map<std::string, Tensors> lists;
  torch::manual_seed(9);
  for (const Tensor& p : a) {
    lists["momentum_buffers"].push_back(torch::randn_like(p));
    lists["step_buffers"].push_back(torch::tensor(std::int64_t{6}));
    lists["exp_average_buffers"].push_back(torch::randn_like(p));
    lists["exp_average_sq_buffers"].push_back(torch::rand_like(p) + 0.5);
    lists["max_exp_average_sq_buffers"].push_back(torch::rand_like(p) + 1);
    lists["square_average_buffers"].push_back(torch::rand_like(p) + 1);
    lists["grad_average_buffers"].push_back(torch::rand_like(p) / 4);
    lists["sum_buffers"].push_back(torch::rand_like(p) + 1);
  }
  const auto options = []<class O>(O o) {
    if constexpr (requires { o.centered(true); }) {
      return o.momentum(0.9).centered(true);
    } else if constexpr (requires { o.momentum(0.9); }) {
      return o.momentum(0.9);
    } else if constexpr (requires { o.lr_decay(0.1); }) {
      return o.lr_decay(0.1);
    } else {
      return o.amsgrad(true);
    }
  };
  typename F::Stock stock(a, options(typename F::StockOptions(0.1)));
  typename F::Optimizer ours(b, options(typename F::Options(0.1)));
  if constexpr (requires { ours.options().max_norm(1); }) {
    ours.options().gradient_clipping(agmohd::gradient::Clipping::none);
  }
  load_from(stock, archive_before_1_5(lists));
  load_from(ours, archive_before_1_5(lists));
  for (int t = 0; t < 20; ++t) {
    give_gradients(a, t);
    give_gradients(b, t);
    stock.step();
    ours.step();
  }
  expect_close(a, b);

  lists["momentum_buffers"].push_back(torch::ones({2}));
  lists["exp_average_buffers"].push_back(torch::ones({2}));
  lists["sum_buffers"].push_back(torch::ones({2}));
  const Tensor before = b[0].detach().clone();
  EXPECT_THROW(load_from(ours, archive_before_1_5(lists)), c10::Error);
  EXPECT_THROW(load_from(ours, archive_before_1_5({{"unknown", Tensors{}}})), c10::Error);
  EXPECT_TRUE(torch::equal(before, b[0]));
}

}  // namespace
