// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// Checkpoints within a window, and errors, which change nothing.

#include <gtest/gtest.h>

#include <cstdint>
#include <sstream>
#include <string>
#include <vector>

#include "accumulate.hpp"

using namespace agmohd;

namespace accumulate {

TEST(Accumulate, GoesOnAfterACheckpointWithinAWindow) {
  for (const at::ScalarType dtype : contract::kDtypes) {
    contract::expect_resumes<Recipe>(options(3), dtype);  // saved after call 4
  }
}

TEST(Accumulate, ACheckpointWithoutSumsBeginsAWindow) {
  Accumulated from(options(3)), to(options(3));
  std::stringstream file;
  from.run(0, 3);
  torch::save(from.optimizer, file);
  to.run(0, 4);
  torch::load(to.optimizer, file);
  EXPECT_EQ(to.optimizer.accumulated(), 0);
}

TEST(Accumulate, ADamagedCheckpointChangesNothing) {
  Accumulated from(options(5)), to(options(5));
  std::stringstream file;
  from.run(0, 2);
  torch::save(from.optimizer, file);
  to.params[3].set_data(at::zeros({4, 5}));
  contract::set_gradients(to.params, 0);
  to.optimizer.step();
  EXPECT_THROW(torch::load(to.optimizer, file), c10::Error);
  EXPECT_EQ(to.optimizer.accumulated(), 1);
}

/// "agmohd/accumulated" as it came out of a file, of one parameter with the shape {2}.
agmohd::Accumulation::Saved read(std::int64_t calls, std::int64_t losses, const at::Tensor& loss,
                                 const at::Tensor& sum) {
  torch::serialize::OutputArchive own, accumulated;
  accumulated.write("calls", c10::IValue(calls));
  accumulated.write("losses", c10::IValue(losses));
  if (loss.defined()) accumulated.write("loss", c10::IValue(loss));
  if (sum.defined()) accumulated.write("0/0", c10::IValue(sum));
  own.write("accumulated", accumulated);
  std::stringstream file;
  own.save_to(file);
  torch::serialize::InputArchive archive;
  archive.load_from(file);
  agmohd::Accumulation::Groups groups;
  groups.emplace_back(std::vector<at::Tensor>{at::zeros({2}).requires_grad_()});
  return agmohd::checkpoint::read_accumulation(archive, groups);
}
void expect_refused(std::int64_t calls, std::int64_t losses, const at::Tensor& loss,
                    const at::Tensor& sum, const std::string& says) {
  try {
    read(calls, losses, loss, sum);
    FAIL() << says;
  } catch (const c10::Error& error) {
    EXPECT_NE(std::string(error.what()).find(says), std::string::npos) << error.what();
  }
}

TEST(Accumulate, ACheckpointThatDoesNotFitItselfIsRefused) {
  const at::Tensor sum = at::ones({2});
  EXPECT_EQ(read(2, 2, at::ones({1}), sum).loss.scalar_type(), at::kDouble);
  EXPECT_EQ(read(2, 0, {}, sum).sums.size(), 1U);
  EXPECT_EQ(read(0, 0, {}, {}).sums.size(), 0U);
  expect_refused(2, 2, at::ones({2}), sum, "sum of losses is of dtype Float and shape [2]");
  expect_refused(2, 2, at::ones({}, at::kLong), sum, "sum of losses is of dtype Long");
  expect_refused(2, 2, at::ones({}, at::kComplexFloat), sum, "dtype ComplexFloat");
  expect_refused(2, 1, {}, sum, "has added 1 losses, but it has no sum of them");
  expect_refused(2, 0, at::ones({}), sum, "has added 0 losses, but it has their sum");
  expect_refused(0, 0, {}, sum, "the gradients of 0 calls, but it has a sum of those of parameter");
}

TEST(Accumulate, ALossThatNothingReadsMayHaveAnyShape) {
  using Unseen = agmohd::Recipe<rule::AdamW, Accumulate>;
  using Trained = contract::Trained<Unseen>;
  const auto given = Trained::Options(1e-3).set<"accumulation_steps">(3);
  Trained from(given), to(given), without(given);
  for (std::int64_t call = 0; call < 2; ++call) {
    contract::set_gradients(from.params, call);
    from.optimizer.step(at::ones({2 + call}));
  }
  EXPECT_EQ(from.optimizer.accumulated(), 2);
  std::stringstream file;
  torch::save(from.optimizer, file);
  torch::load(to.optimizer, file);
  contract::expect_same(to.run(2, 3).now(), without.run(0, 3).now());
}

TEST(Accumulate, AnErrorChangesNothing) {
  Accumulated trained(options(3)), straight(options(3));
  trained.run(0, 1);
  contract::set_gradients(trained.params, 1);
  trained.params[4].mutable_grad() = trained.params[4].grad().to_sparse();
  try {
    trained.optimizer.step();
    ADD_FAILURE() << "no error";
  } catch (const c10::Error& error) {
    EXPECT_EQ(std::string(error.what_without_backtrace()),
              "agmohd: the gradient of parameter 4 of group 0 has layout Sparse, but it must be "
              "strided: gradient::Accumulate adds dense gradients. Leave it out, or build the "
              "embedding with sparse(false)");
  }
  EXPECT_EQ(trained.optimizer.accumulated(), 1);
  contract::expect_same(trained.run(1, 3).now(), straight.run(0, 3).now());
}

TEST(Accumulate, AnErrorInTheLastCallKeepsTheWindow) {
  Accumulated trained(options(2)), straight(options(2));
  trained.run(0, 3), straight.run(0, 3);
  auto& state = static_cast<Accumulated::Optimizer::ParamState&>(
      *trained.optimizer.state().at(trained.params[4].unsafeGetTensorImpl()));
  const at::Tensor exp_avg = state.exp_avg();
  state.exp_avg(at::zeros({1}));
  contract::set_gradients(trained.params, 3);
  EXPECT_THROW(trained.optimizer.step(), c10::Error);
  EXPECT_EQ(trained.optimizer.accumulated(), 2);
  state.exp_avg(exp_avg);
  trained.optimizer.apply_accumulated();
  straight.run(3, 4);
  contract::expect_close(trained.now(), straight.now(), 1e-6);
}

}  // namespace accumulate
