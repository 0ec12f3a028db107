// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
// A model whose whole step is captured.

#include <torch/torch.h>

#include <cstdint>
#include <memory>

#include "options.hpp"
#include "tensors.hpp"

namespace testing_cuda {

/// A small model whose whole step, backward included, can be captured.
struct Trainer {
  Tensor x = torch::zeros({32, 16}, torch::kCUDA), y = torch::zeros({32, 4}, torch::kCUDA);
  torch::nn::Sequential model{torch::nn::Linear(16, 64), torch::nn::Tanh(),
                              torch::nn::Linear(64, 4)};
  std::unique_ptr<Optimizer<Everything>> optimizer;

  Trainer() {
    torch::manual_seed(5);
    for (Tensor& p : model->parameters()) {
      const torch::NoGradGuard no_grad;
      p.copy_(torch::randn(p.sizes()) * 0.1);
    }
    model->to(torch::kCUDA);
    optimizer = std::make_unique<Optimizer<Everything>>(
        model->parameters(),
        options<Everything>().max_norm(0.5).total_steps(2000).set<"bound">(50));
  }
  void load(
      int t) {  // every few batches the gradient is small (no clip), and sometimes huge (skip)
    torch::manual_seed(100 + std::uint64_t(t));
    const double scale = t % 11 == 5 ? 100 : t % 4 == 1 ? 0.01 : 1;
    x.copy_(torch::randn({32, 16}));
    y.copy_(torch::randn({32, 4}) * scale);
  }
  void step() {
    optimizer->zero_grad();
    torch::mse_loss(model->forward(x), y).backward();
    optimizer->step();
  }
  void change(int t) {
    if (t % 10 == 3) optimizer->param_groups()[0].options().set_lr(1e-2 / (1 + t % 7));
    if (t == 120) optimizer->options().max_norm(0.2);
    if (t == 150) optimizer->options().set<"bound">(20);
  }
};

}  // namespace testing_cuda
