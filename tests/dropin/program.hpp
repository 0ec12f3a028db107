// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
// What a program trains, written once for both namespaces.

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <agmohd/agmohd.hpp>
#include <cmath>
#include <cstdint>
#include <memory>
#include <vector>

namespace testing_dropin {

using torch::Tensor;

struct Torch {
  using SGD = torch::optim::SGD;
  using SGDOptions = torch::optim::SGDOptions;
  using SGDParamState = torch::optim::SGDParamState;
  using Adam = torch::optim::Adam;
  using AdamOptions = torch::optim::AdamOptions;
  using AdamParamState = torch::optim::AdamParamState;
  using AdamW = torch::optim::AdamW;
  using AdamWOptions = torch::optim::AdamWOptions;
  using AdamWParamState = torch::optim::AdamWParamState;
  using RMSprop = torch::optim::RMSprop;
  using RMSpropOptions = torch::optim::RMSpropOptions;
  using RMSpropParamState = torch::optim::RMSpropParamState;
  using Adagrad = torch::optim::Adagrad;
  using AdagradOptions = torch::optim::AdagradOptions;
  using AdagradParamState = torch::optim::AdagradParamState;
  using Group = torch::optim::OptimizerParamGroup;
  using StepLR = torch::optim::StepLR;
  using Plateau = torch::optim::ReduceLROnPlateauScheduler;
};
struct Ours {
  using SGD = agmohd::SGD;
  using SGDOptions = agmohd::SGDOptions;
  using SGDParamState = agmohd::SGDParamState;
  using Adam = agmohd::Adam;
  using AdamOptions = agmohd::AdamOptions;
  using AdamParamState = agmohd::AdamParamState;
  using AdamW = agmohd::AdamW;
  using AdamWOptions = agmohd::AdamWOptions;
  using AdamWParamState = agmohd::AdamWParamState;
  using RMSprop = agmohd::RMSprop;
  using RMSpropOptions = agmohd::RMSpropOptions;
  using RMSpropParamState = agmohd::RMSpropParamState;
  using Adagrad = agmohd::Adagrad;
  using AdagradOptions = agmohd::AdagradOptions;
  using AdagradParamState = agmohd::AdagradParamState;
  using Group = agmohd::OptimizerParamGroup;
  using StepLR = agmohd::StepLR;
  using Plateau = agmohd::ReduceLROnPlateauScheduler;
};

struct Net : torch::nn::Module {
  torch::nn::Linear a, b;
  Net()
      : a(register_module("a", torch::nn::Linear(6, 20))),
        b(register_module("b", torch::nn::Linear(20, 3))) {}
  Tensor forward(const Tensor& x) { return b(torch::tanh(a(x))); }
};

inline std::shared_ptr<Net> net() {
  torch::manual_seed(3);
  return std::make_shared<Net>();
}
inline Tensor loss_of(Net& model, int t) {
  torch::manual_seed(50 + std::uint64_t(t % 5));
  const auto dtype = model.a->weight.scalar_type();
  const Tensor x = torch::randn({32, 6}).to(dtype), y = torch::randn({32, 3}).to(dtype);
  return torch::mse_loss(model.forward(x), y);
}

/// Through the base class, as a program's own training function takes it.
inline std::vector<double> train(Net& model, torch::optim::Optimizer& optimizer, int from, int to) {
  std::vector<double> losses;
  for (int t = from; t < to; ++t) {
    optimizer.zero_grad();
    Tensor loss = loss_of(model, t);
    loss.backward();
    optimizer.step();
    losses.push_back(loss.item<double>());
  }
  return losses;
}

inline void expect_close(const std::vector<double>& a, const std::vector<double>& b,
                         double bound = 1e-5) {
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i)
    EXPECT_NEAR(a[i], b[i], bound * (1 + std::abs(a[i]))) << "step " << i;
}
inline void expect_same(const std::vector<Tensor>& a, const std::vector<Tensor>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i)
    EXPECT_TRUE(torch::equal(a[i], b[i])) << "parameter " << i;
}

}  // namespace testing_dropin
