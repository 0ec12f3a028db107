// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

// A whole training step as a CUDA graph: one launch a step, and nothing for the host to wait for.
#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <torch/torch.h>

#include <agmohd/agmohd.hpp>
#include <cstdio>

int main() {
  if (!torch::cuda::is_available()) return std::puts("skipped: there is no GPU"), 0;
  torch::manual_seed(1);
  torch::nn::Linear model(4, 1);
  model->to(torch::kCUDA);
  torch::Tensor x = torch::randn({64, 4}, torch::kCUDA), y = x.sum(1, true), loss;
  agmohd::AdamW optimizer(model->parameters(), agmohd::AdamWOptions(1e-2));
  const auto train_step = [&] {
    optimizer.zero_grad();
    loss = torch::mse_loss(model->forward(x), y);
    loss.backward();
    optimizer.step();
  };

  const c10::cuda::CUDAStreamGuard guard(c10::cuda::getStreamFromPool());
  for (int i = 0; i < 3; ++i) train_step();
  optimizer.zero_grad();
  optimizer.prepare();  // creates what a capture cannot
  at::cuda::CUDAGraph graph;
  graph.capture_begin();
  train_step();
  graph.capture_end();

  for (int step = 4; step <= 600; ++step) {
    x.copy_(torch::randn({64, 4}));
    y.copy_(x.sum(1, true));
    if (step == 500) {
      optimizer.param_groups()[0].options().set_lr(1e-3);
      optimizer.prepare();  // uploads the options that changed
    }
    graph.replay();
    if (step % 100 == 0) std::printf("step %d: loss %.6f\n", step, loss.item<float>());
  }
  return optimizer.updates() == 600 && loss.item<float>() < 1e-3f ? 0 : 1;
}
