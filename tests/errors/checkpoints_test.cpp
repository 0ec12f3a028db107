// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// Checkpoints of others, broken ones, and those of schedulers.

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <agmohd/agmohd.hpp>
#include <exception>
#include <random>
#include <sstream>
#include <string>
#include <utility>

#include "harmless.hpp"

namespace {

using namespace testing_errors;

void expect_load_error(const std::string& bytes, const Texts& texts) {
  Fixture f;
  expect_harmless(
      f, [&] { load(f.optimizer, bytes); }, texts);
}

TEST(CheckpointErrors, OfAnotherRecipe) {
  agmohd::AdamW plain({parameter()}, {0.1});
  plain.step();
  expect_load_error(saved(plain), {"1 parameter groups"});  // of the same rule
  SGD other({parameter()}, {0.1});
  expect_load_error(saved(other), {"SGD/None/Fixed/None/Constant", "AdamW/"});
}

TEST(CheckpointErrors, OfAnotherStockOptimizer) {
  at::Tensor p = parameter();
  torch::optim::SGD sgd({p}, torch::optim::SGDOptions(0.1).momentum(0.9));
  sgd.step();
  agmohd::AdamW ours({parameter()}, {0.1});
  ours.step();
  const std::string before = saved(ours);
  expect_error([&] { load(ours, saved(sgd)); }, {"betas", "AdamW"});
  torch::optim::RMSprop rmsprop({p});
  expect_error([&] { load(ours, saved(rmsprop)); }, {"betas"});
  EXPECT_EQ(std::as_const(ours).state().size(), 1U);
  ours.step();
  EXPECT_EQ(ours.updates(), 2);
}

TEST(CheckpointErrors, OfOtherGroupsOrParameters) {
  const auto one = [](const Groups& groups) {
    Rich optimizer(groups, good());
    optimizer.step();
    return saved(optimizer);
  };
  expect_load_error(one({Group({parameter(), parameter({5}), parameter({2, 2})})}),
                    {"1 parameter groups", "this optimizer has 2"});
  expect_load_error(one({Group({parameter()}), Group({parameter({2, 2})})}),
                    {"group 0", "1 parameters", "has 2"});
  expect_load_error(
      one({Group({parameter(), parameter({5})}), Group({parameter({2, 2}), parameter()})}),
      {"group 1", "2 parameters", "has 1"});
  expect_load_error(one({Group({parameter(), parameter({5})}), Group({parameter({2, 3})})}),
                    {"parameter 0 of group 1", "[2, 3]", "[2, 2]"});
  expect_load_error(one({Group({parameter({4, 3}), parameter({5})}), Group({parameter({2, 2})})}),
                    {"parameter 0 of group 0", "[4, 3]", "[3, 4]"});
}

TEST(CheckpointErrors, OfSomethingElse) {
  std::ostringstream tensor, module;
  torch::save(at::ones({3}), tensor);
  torch::save(torch::nn::Linear(3, 4), module);
  expect_load_error(tensor.str(), {"does not hold the state of an optimizer"});
  expect_load_error(module.str(), {"does not hold the state of an optimizer"});
  expect_load_error("", {});
  expect_load_error("not an archive", {});
  expect_load_error(std::string(10'000, '\0'), {});
}

TEST(CheckpointErrors, Truncated) {
  const std::string whole = saved(Fixture().optimizer);
  Fixture f;
  const std::string before = content(f.optimizer);
  for (std::size_t i = 0; i < 40; ++i) {
    expect_error([&] { load(f.optimizer, whole.substr(0, whole.size() * i / 40)); }, {});
    EXPECT_TRUE(content(f.optimizer) == before);
  }
  for (std::size_t missing = 1; missing < 30; ++missing) {
    expect_error([&] { load(f.optimizer, whole.substr(0, whole.size() - missing)); }, {});
    EXPECT_TRUE(content(f.optimizer) == before);
  }
  load(f.optimizer, whole);
  EXPECT_TRUE(content(f.optimizer) == before);
}

/// Whether LibTorch's reader would take a flip for an order to allocate up to 64 GB: it believes
/// the index behind the pickle operation LONG_BINPUT, an 'r' and four bytes.
bool reaches_a_memo_index(const std::string& bytes, std::size_t at) {
  return bytes.find('r', at < 4 ? 0 : at - 4) <= at;
}

/// A flipped bit is either noticed, and then nothing changes, or it lies where nothing is read
/// from.
TEST(CheckpointErrors, FlippedBits) {
  const std::string whole = saved(Fixture().optimizer);
  Fixture f;
  const std::string good_content = content(f.optimizer);
  std::mt19937 random(3);
  int noticed = 0;
  for (int round = 0; round < 1500; ++round) {
    std::string bytes = whole;
    const std::size_t at = random() % bytes.size();
    const int bit = int(random() % 8);
    bytes[at] = char(bytes[at] ^ (1 << bit));
    if (reaches_a_memo_index(bytes, at)) continue;
    try {
      load(f.optimizer, bytes);
    } catch (const std::exception&) {
      ++noticed;
    }
    ASSERT_TRUE(content(f.optimizer) == good_content)
        << "byte " << at << " of " << whole.size() << ", bit " << bit;
  }
  EXPECT_GT(noticed, 0);
  f.optimizer.step();
  Fixture untouched;
  untouched.optimizer.step();
  EXPECT_TRUE(content(f.optimizer) == content(untouched.optimizer));
}

TEST(CheckpointErrors, OptionsOutOfRange) {
  // A checkpoint as a program with other bounds would write it.
  Fixture other;
  other.group(1).lr() = -3;
  expect_load_error(saved(other.optimizer), {"lr = -3", "at least 0"});
  Fixture wide;
  wide.optimizer.options().max_norm() = -2;
  expect_load_error(saved(wide.optimizer), {"max_norm = -2", "greater than 0"});
}

TEST(SchedulerErrors, OptionsOutOfRange) {
  torch::optim::SGD stock({parameter()}, torch::optim::SGDOptions(0.5));
  using Scheduler = agmohd::schedule::Scheduler<agmohd::schedule::Cosine>;
  expect_error(
      [&] { Scheduler(stock, {}); },
      {"agmohd: schedule Cosine: total_steps = 0, but it must be finite and at least 1: it "
       "must be given (0 = not given)"});
  expect_error([&] { Scheduler(stock, {.total_steps = 3, .min_factor = 2}); },
               {"min_factor = 2", "in [0, 1]"});
  EXPECT_EQ(stock.param_groups()[0].options().get_lr(), 0.5);
}

TEST(SchedulerErrors, CheckpointOfAnother) {
  torch::optim::SGD stock({parameter()}, torch::optim::SGDOptions(0.5));
  agmohd::schedule::Scheduler<agmohd::schedule::Cosine> cosine(stock, {.total_steps = 10});
  cosine.step();
  torch::optim::SGD second({parameter()}, torch::optim::SGDOptions(0.25));
  agmohd::schedule::Scheduler<agmohd::schedule::Linear> linear(second, {.total_steps = 10});
  linear.step();
  const double before = second.param_groups()[0].options().get_lr();
  std::stringstream file;
  torch::save(cosine, file);
  expect_error([&] { torch::load(linear, file); }, {"Cosine", "Linear"});
  EXPECT_EQ(second.param_groups()[0].options().get_lr(), before);
  linear.step();
  EXPECT_EQ(second.param_groups()[0].options().get_lr(), 0.25 * 0.8);

  torch::optim::SGD two(Groups{Group({parameter()}), Group({parameter()})},
                        torch::optim::SGDOptions(0.5));
  agmohd::schedule::Scheduler<agmohd::schedule::Cosine> both(two, {.total_steps = 10});
  std::stringstream other;
  torch::save(cosine, other);
  expect_error([&] { torch::load(both, other); }, {"1 parameter groups", "has 2"});
}

}  // namespace
