// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// Gradients and losses that a step cannot take.

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <agmohd/agmohd.hpp>
#include <utility>
#include <vector>

#include "bad_tensors.hpp"
#include "harmless.hpp"

namespace {

using namespace testing_errors;

struct NeedsLoss : agmohd::hindrance::None {
  static constexpr unsigned wants = agmohd::kLoss;
};

TEST(GradientErrors, SparseWithHindranceDetection) {
  torch::nn::Embedding embedding(torch::nn::EmbeddingOptions(10, 4).sparse(true));
  agmohd::AGMOHD optimizer(embedding->parameters(), agmohd::AGMOHDOptions(0.1));
  embedding(at::tensor({1, 3, 3}, at::kLong)).sum().backward();
  ASSERT_TRUE(embedding->weight.grad().is_sparse());
  const at::Tensor before = embedding->weight.detach().clone();
  const Texts texts{"gradient of parameter 0 of group 0", "layout Sparse", "must be strided",
                    "hindrance detection", "Use AdamW without it"};
  expect_error([&] { optimizer.step(); }, texts);
  expect_error([&] { optimizer.step(); }, texts);
  EXPECT_TRUE(at::equal(embedding->weight, before));
  embedding->weight.mutable_grad() = embedding->weight.grad().to_dense();
  optimizer.step();
  EXPECT_EQ(optimizer.updates(), 1);
  EXPECT_FALSE(at::equal(embedding->weight, before));
}

TEST(GradientErrors, SparseAfterDenseOnes) {
  Fixture f;
  const at::Tensor dense = f.params[0].grad();
  expect_harmless(
      f,
      [&] {
        f.params[0].mutable_grad() = dense.to_sparse();
        f.optimizer.step();
      },
      {"gradient of parameter 0 of group 0", "Sparse"},
      [&] { f.params[0].mutable_grad() = dense; });
}

TEST(GradientErrors, OfTensorsWithoutPlainMemory) {
  for (const BadParameter& bad : bad_tensors()) {
    SCOPED_TRACE(bad.texts[0]);
    Texts texts = bad.texts;
    texts.emplace_back("the gradient of parameter 0 of group 0");
    Fixture f;
    const at::Tensor plain = f.params[0].grad();
    expect_harmless(
        f,
        [&] {
          f.params[0].mutable_grad() = bad.tensor;
          f.optimizer.step();
        },
        texts, [&] { f.params[0].mutable_grad() = plain; });
  }
}

/// Memory may be given back between steps, as Storage::resize_ does.
TEST(GradientErrors, FreedMemory) {
  for (const bool of_param : {false, true}) {
    Fixture f;
    const at::Tensor& x = of_param ? f.params[0] : f.params[0].grad();
    auto* const storage = x.storage().unsafeGetStorageImpl();
    at::DataPtr data = storage->set_data_ptr(at::DataPtr(nullptr, at::kCPU));
    storage->set_nbytes(0);
    expect_error([&] { f.optimizer.step(); }, {"parameter 0 of group 0", "storage of 0 bytes"});
    storage->set_data_ptr(std::move(data));
    storage->set_nbytes(48);
    Fixture untouched;
    EXPECT_TRUE(content(f.optimizer) == content(untouched.optimizer));
    f.optimizer.step();
    EXPECT_EQ(f.optimizer.updates(), 4);
  }
}

/// What the failed step noted of others is not lost: neither a new gradient nor new memory.
TEST(GradientErrors, LeaveNoStaleAddressBehind) {
  std::vector<at::Tensor> params{parameter(), parameter(), parameter()};
  agmohd::SGD optimizer(params, agmohd::SGDOptions(0.5));
  for (int i = 0; i < 2; ++i) params[std::size_t(i)].mutable_grad() = at::ones_like(params[0]);
  optimizer.step();
  const at::Tensor old_memory = params[1].detach();
  const at::Tensor old_values = old_memory.clone();
  params[0].mutable_grad() = at::full_like(params[0], 3);
  params[1].set_data(at::zeros_like(params[0]));
  const at::Tensor dense = params[2].grad();
  params[2].mutable_grad() = dense.to_sparse();
  const at::Tensor before = params[0].detach().clone();
  expect_error([&] { optimizer.step(); }, {"gradient of parameter 2", "Sparse"});
  params[2].mutable_grad() = dense;
  optimizer.step();
  EXPECT_TRUE(at::equal(params[0].detach(), before - 1.5));
  EXPECT_TRUE(at::equal(params[1].detach(), at::full_like(before, -0.5)));
  EXPECT_TRUE(at::equal(old_memory, old_values));
}

TEST(GradientErrors, LossOfSeveralElements) {
  agmohd::Optimizer<Recipe<agmohd::rule::SGD, NeedsLoss>> optimizer({parameter()}, {0.1});
  optimizer.step();
  const at::Tensor before = optimizer.parameters()[0].detach().clone();
  expect_error([&] { optimizer.step(at::zeros({2})); }, {"loss", "[2]", "one element"});
  EXPECT_TRUE(at::equal(optimizer.parameters()[0].detach(), before));
  EXPECT_EQ(optimizer.updates(), 1);
  optimizer.step(at::zeros({1}));
  EXPECT_EQ(optimizer.updates(), 2);
}

}  // namespace
