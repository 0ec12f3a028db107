// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

// A small network tells two spirals apart, trained by an optimizer made of one's own policies.
#include <torch/torch.h>

#include <agmohd/agmohd.hpp>
#include <cstdio>

#include "own_policies.hpp"

int main() {
  using Optimizer = agmohd::Optimizer<own::Mine>;
  torch::manual_seed(1);
  torch::nn::Sequential model(torch::nn::Linear(2, 64), torch::nn::Tanh(),
                              torch::nn::Linear(64, 64), torch::nn::Tanh(),
                              torch::nn::Linear(64, 1));
  Optimizer optimizer(model->parameters(), Optimizer::Options(3e-3)
                                               .set<own::Signum>({.beta = 0.95})
                                               .set<own::InverseSqrt>({.period = 200}));

  const torch::Tensor angle = torch::linspace(0.5, 9, 400);
  const torch::Tensor arm =
      torch::stack({angle * torch::cos(angle), angle * torch::sin(angle)}, 1) / 9;
  const torch::Tensor points = torch::cat({arm, -arm}),
                      labels = torch::cat({torch::zeros({400, 1}), torch::ones({400, 1})});

  double right = 0;
  for (int step = 1; step <= 1000; ++step) {
    optimizer.zero_grad();
    const torch::Tensor score = model->forward(points);
    const torch::Tensor loss = torch::binary_cross_entropy_with_logits(score, labels);
    loss.backward();
    optimizer.step();
    right = (score > 0).eq(labels > 0.5).to(torch::kFloat64).mean().item<double>();
    if (step % 100 == 0)
      std::printf("step %4d: loss %.4f, %.1f %% right\n", step, loss.item<double>(), 100 * right);
  }
  return right > 0.95 ? 0 : 1;
}
