// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

// A recipe of one's own: AdamW with a clip, a linear warm-up and a cosine, in one optimizer step.
#include <torch/torch.h>

#include <agmohd/agmohd.hpp>
#include <algorithm>
#include <cmath>
#include <cstdio>

using Recipe = agmohd::Recipe<agmohd::rule::AdamW, agmohd::gradient::ClipByNorm,
                              agmohd::schedule::Warmup<agmohd::schedule::Cosine>>;

int main() {
  using Optimizer = agmohd::Optimizer<Recipe>;
  torch::manual_seed(1);
  torch::nn::Sequential model(torch::nn::Linear(1, 64), torch::nn::Tanh(),
                              torch::nn::Linear(64, 1));
  Optimizer optimizer(model->parameters(), Optimizer::Options(1e-2)
                                               .betas({0.9, 0.95})
                                               .max_norm(1.0)
                                               .warmup_steps(50)
                                               .total_steps(500)  // the warm-up included
                                               .min_factor(0.1));

  const torch::Tensor x = torch::linspace(-3, 3, 256).unsqueeze(1), y = torch::sin(x);
  const double first = optimizer.current_lr(0);
  double highest = 0;
  float last = 0;
  for (int step = 1; step <= 500; ++step) {
    const double lr = optimizer.current_lr(0);  // of the step that comes
    highest = std::max(highest, lr);
    optimizer.zero_grad();
    const torch::Tensor loss = torch::mse_loss(model->forward(x), y);
    loss.backward();
    optimizer.step();
    last = loss.item<float>();
    if (step % 50 == 0) std::printf("step %3d: learning rate %.6f, loss %.6f\n", step, lr, last);
  }
  std::printf("norm of the last gradients, before the clip: %.6f\n",
              std::sqrt(optimizer.signals().norm2));
  const bool shape = std::abs(first - 1e-2 / 50) < 1e-9 && std::abs(highest - 1e-2) < 1e-9 &&
                     std::abs(optimizer.current_lr(0) - 1e-3) < 1e-9;
  return shape && last < 1e-3f ? 0 : 1;
}
