// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// Windows of calls: what their updates are of, and how they end.

#include "accumulate.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <vector>

using namespace agmohd;

template <>
struct contract::Sample<gradient::Accumulate> {
  static std::vector<gradient::Accumulate::Options> options() {
    return {{}, {.accumulation_steps = 3}, {.accumulation_steps = 2, .accumulate_mean = false}};
  }
};

namespace accumulate {

/// The gradients that an update of calls `begin` to `end` is to have.
void set_window_gradients(const std::vector<at::Tensor>& params, std::int64_t begin,
                          std::int64_t end, bool mean) {
  std::vector<at::Tensor> sums(params.size());
  for (std::int64_t call = begin; call < end; ++call) {
    contract::set_gradients(params, call);
    for (std::size_t i = 0; i < params.size(); ++i) {
      const at::Tensor& grad = params[i].grad();
      if (!grad.defined()) continue;
      const at::Tensor wide = grad.to(grad.scalar_type() == at::kDouble ? at::kDouble : at::kFloat);
      sums[i] = sums[i].defined() ? sums[i] + wide : wide.clone();
    }
  }
  for (std::size_t i = 0; i < params.size(); ++i) {
    params[i].mutable_grad() =
        sums[i].defined()
            ? (mean ? sums[i].mul(1 / double(end - begin)) : sums[i]).to(params[i].dtype())
            : at::Tensor();
  }
}

TEST(Accumulate, Bounds) { contract::expect_bounds<Accumulate>(); }

TEST(Accumulate, IsOneStepWithTheMeanOrTheSum) {
  for (const at::ScalarType dtype : contract::kDtypes) {
    for (const bool mean : {true, false}) {
      for (const bool reference : {false, true}) {
        SCOPED_TRACE(c10::str(dtype, mean ? ", mean" : ", sum"));
        Accumulated several(options(4, mean), dtype, reference);
        contract::Trained<Plain> one(
            contract::Trained<Plain>::Options(0.05).weight_decay(0.1).set<"max_norm">(0.5), dtype,
            reference);
        for (std::int64_t window = 0; window < 3; ++window) {
          several.run(4 * window, 4 * window + 4);
          set_window_gradients(one.params, 4 * window, 4 * window + 4, mean);
          one.optimizer.step();
          contract::expect_same(several.now(), one.now());
        }
      }
    }
  }
}

TEST(Accumulate, OfOneCallIsNoAccumulation) {
  Accumulated accumulated(options(1));
  contract::Trained<Plain> plain(
      contract::Trained<Plain>::Options(0.05).weight_decay(0.1).set<"max_norm">(0.5));
  contract::expect_same(accumulated.run(0, 5).now(), plain.run(0, 5).now());
}

TEST(Accumulate, OtherCallsMoveNothing) {
  Accumulated trained(options(3));
  trained.run(0, 3);
  const contract::Snapshot before = trained.now();
  for (std::int64_t call = 0; call < 2; ++call) {
    EXPECT_EQ(trained.optimizer.accumulated(), call);
    contract::set_gradients(trained.params, 3 + call);
    std::vector<at::Tensor> given, copies;
    for (const at::Tensor& param : trained.params) {
      given.push_back(param.grad());
      copies.push_back(param.grad().defined() ? param.grad().clone() : at::Tensor());
    }
    trained.optimizer.step();
    contract::expect_same(trained.now(), before);
    for (std::size_t i = 0; i < given.size(); ++i) {
      EXPECT_TRUE(given[i].is_same(trained.params[i].grad()));
      EXPECT_TRUE(contract::same_bits(given[i], copies[i]));
    }
  }
  EXPECT_EQ(trained.optimizer.updates(), 1);
  contract::set_gradients(trained.params, 5);
  const at::Tensor given = trained.params[0].grad();
  trained.optimizer.step();
  EXPECT_EQ(trained.optimizer.updates(), 2);
  EXPECT_EQ(trained.optimizer.accumulated(), 0);
  EXPECT_TRUE(given.is_same(trained.params[0].grad()));
}

TEST(Accumulate, CallsWithoutGradientsDoNotCount) {
  Accumulated trained(options(2));
  trained.optimizer.step();
  EXPECT_EQ(trained.optimizer.accumulated(), 0);
}

TEST(Accumulate, AWindowMayEndEarly) {
  Accumulated early(options(4));
  contract::Trained<Plain> one(
      contract::Trained<Plain>::Options(0.05).weight_decay(0.1).set<"max_norm">(0.5));
  early.optimizer.apply_accumulated();  // nothing
  EXPECT_EQ(early.optimizer.updates(), 0);
  early.run(0, 3);
  early.optimizer.apply_accumulated();
  set_window_gradients(one.params, 0, 3, true);
  one.optimizer.step();
  contract::expect_same(early.now(), one.now());
  EXPECT_EQ(early.optimizer.accumulated(), 0);
}

TEST(Accumulate, LossesThatNobodyLooksAtDoNotMatter) {
  Accumulated trained(options(2)), straight(options(2));
  contract::set_gradients(trained.params, 0);
  trained.optimizer.step(at::ones({2}));
  contract::set_gradients(trained.params, 1);
  trained.optimizer.step(at::ones({3}));
  contract::expect_same(trained.now(), straight.run(0, 2).now());
}

TEST(Accumulate, FrozenParametersNeedNoRoom) {
  std::vector<at::Tensor> params = contract::parameters(at::kFloat);
  params.push_back(at::ones({3, 4}).to_sparse());  // any tensor
  agmohd::Optimizer<Recipe> optimizer(params, options(2));
  optimizer.prepare();
}

TEST(Accumulate, ASkippedUpdateEndsItsWindow) {
  Accumulated trained(options(2));
  trained.run(0, 2);
  const contract::Snapshot before = trained.now();
  contract::set_gradients(trained.params, 2);
  trained.params[6].mutable_grad().fill_(std::numeric_limits<double>::quiet_NaN());
  trained.optimizer.step();
  trained.run(3, 4);
  contract::expect_same(trained.now(), before);
  EXPECT_EQ(trained.optimizer.accumulated(), 0);
  trained.run(4, 6);
  EXPECT_EQ(trained.optimizer.updates(), 2);
  EXPECT_TRUE(contract::all_finite(trained.now()));
}

TEST(Accumulate, TheUpdateGetsTheMeanOfTheLosses) {
  using Hindered = agmohd::Recipe<rule::AdamW, hindrance::Detector, gradient::Choice,
                                  recovery::Snapshots, Accumulate>;
  contract::Trained<Hindered> trained(
      contract::Trained<Hindered>::Options(1e-3).set<"accumulation_steps">(3));
  std::vector<float> losses{1.5, 2, 4};
  for (std::size_t call = 0; call < 6; ++call) {
    contract::set_gradients(trained.params, std::int64_t(call));
    trained.optimizer.step(at::scalar_tensor(losses[call % 3]));
  }
  const auto records = trained.optimizer.records();
  ASSERT_EQ(records.size(), 2U);
  EXPECT_EQ(records[0].loss, 2.5);
  EXPECT_EQ(records[1].loss, 2.5);
  contract::set_gradients(trained.params, 6);
  trained.optimizer.step(at::scalar_tensor(9.0));
  trained.optimizer.reset();
  EXPECT_EQ(trained.optimizer.accumulated(), 0);
}

TEST(Accumulate, FollowsParametersThatComeAndGo) {
  Accumulated trained(options(2));
  trained.run(0, 3);
  auto& params = trained.optimizer.param_groups()[0].params();
  params.erase(params.begin() + 3);
  trained.run(3, 5);
  trained.optimizer.add_param_group(
      torch::optim::OptimizerParamGroup(std::vector<at::Tensor>{at::ones({3}).requires_grad_()}));
  at::Tensor added = trained.optimizer.param_groups()[1].params()[0];
  added.mutable_grad() = at::full({3}, 2.0);
  trained.run(5, 6);
  EXPECT_TRUE((added < 1).all().item<bool>());
  EXPECT_TRUE(contract::all_finite(trained.now()));
}

}  // namespace accumulate
