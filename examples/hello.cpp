// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

// An MLP learns a sine.
#include <torch/torch.h>

#include <agmohd/agmohd.hpp>
#include <cstdio>

int main() {
  torch::manual_seed(1);
  torch::nn::Sequential model(torch::nn::Linear(1, 64), torch::nn::Tanh(),
                              torch::nn::Linear(64, 1));
  agmohd::AGMOHD optimizer(model->parameters(), agmohd::AGMOHDOptions(1e-2).weight_decay(0.0));

  const torch::Tensor x = torch::linspace(-3, 3, 256).unsqueeze(1), y = torch::sin(x);
  float last = 0;
  for (int step = 1; step <= 500; ++step) {
    optimizer.zero_grad();
    const torch::Tensor loss = torch::mse_loss(model->forward(x), y);
    loss.backward();
    optimizer.step(loss);
    last = loss.item<float>();
    if (step % 100 == 0) std::printf("step %d: loss %.6f\n", step, last);
  }
  return last < 1e-3f ? 0 : 1;
}
