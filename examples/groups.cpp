// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

// Weight decay for matrices only, none for biases and norms, by parameter groups.
#include <torch/torch.h>

#include <agmohd/agmohd.hpp>
#include <cmath>
#include <cstdio>
#include <memory>
#include <vector>

int main() {
  torch::manual_seed(1);
  torch::nn::Sequential model(torch::nn::Linear(8, 64),
                              torch::nn::LayerNorm(std::vector<std::int64_t>{64}),
                              torch::nn::GELU(), torch::nn::Linear(64, 1));
  std::vector<torch::Tensor> matrices, vectors;
  for (const torch::Tensor& p : model->parameters()) {
    (p.dim() > 1 ? matrices : vectors).push_back(p);
  }
  std::vector<torch::optim::OptimizerParamGroup> groups;
  groups.emplace_back(matrices);
  groups.emplace_back(
      vectors, std::make_unique<agmohd::AdamWOptions>(agmohd::AdamWOptions().weight_decay(0.0)));
  agmohd::AdamW optimizer(groups, agmohd::AdamWOptions(3e-3).betas({0.9, 0.95}).weight_decay(0.1));

  // With gradients of zero a step is the weight decay alone.
  for (torch::Tensor& p : model->parameters()) p.mutable_grad() = torch::zeros_like(p);
  const auto norm = [](const torch::Tensor& p) { return p.norm().item<double>(); };
  const double matrix = norm(matrices[0]), vector = norm(vectors[0]);
  optimizer.step();
  const double kept = norm(matrices[0]) / matrix, kept_vector = norm(vectors[0]) / vector;
  std::printf("a step of decay keeps %.6f of a matrix, %.6f of a bias\n", kept, kept_vector);

  const torch::Tensor x = torch::randn({256, 8}), y = torch::tanh(x.sum(1, true));
  float loss = 0;
  for (int step = 1; step <= 300; ++step) {
    optimizer.zero_grad();
    const torch::Tensor error = torch::mse_loss(model->forward(x), y);
    error.backward();
    optimizer.step();
    loss = error.item<float>();
    if (step == 200) {  // options may change between steps
      for (auto& group : optimizer.param_groups()) group.options().set_lr(3e-4);
    }
  }
  std::printf("loss %.6f after 300 steps\n", loss);
  return std::abs(kept - (1 - 3e-3 * 0.1)) < 1e-6 && kept_vector == 1 && loss < 0.01f ? 0 : 1;
}
