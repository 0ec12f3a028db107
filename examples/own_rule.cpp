// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

// A rule of one's own, Lion, with the library's clip; checked against the paper's formula.
#include "own_rule.hpp"

#include <torch/torch.h>

#include <agmohd/agmohd.hpp>
#include <cstdio>

int main() {
  using Optimizer = agmohd::Optimizer<LionRecipe>;
  torch::manual_seed(1);
  const torch::Device device(torch::cuda::is_available() ? torch::kCUDA : torch::kCPU);
  torch::nn::Linear model(8, 1);
  model->to(device);
  Optimizer optimizer(model->parameters(),
                      Optimizer::Options(2e-3).weight_decay(0.1).max_norm(1e9));

  // The same by tensor operations.
  torch::Tensor p = model->weight.detach().clone(), m = torch::zeros_like(p);
  const torch::Tensor x = torch::randn({256, 8}, device), y = x.sum(1, true);
  double difference = 0;
  float last = 0;
  for (int step = 1; step <= 1000; ++step) {
    optimizer.zero_grad();
    const torch::Tensor loss = torch::mse_loss(model->forward(x), y);
    loss.backward();
    const torch::Tensor g = model->weight.grad();
    p = p - 2e-3 * ((0.9 * m + 0.1 * g).sign() + 0.1 * p);
    m = 0.99 * m + 0.01 * g;
    optimizer.step();
    last = loss.item<float>();
    if (step <= 50) difference = (model->weight - p).abs().max().item<double>();
    if (step % 200 == 0) std::printf("step %4d: loss %.6f\n", step, last);
  }
  std::printf("largest difference from the formula after 50 steps: %.2g\n", difference);
  return difference < 1e-5 && last < 0.05f ? 0 : 1;
}
