// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

// A model on two devices with one optimizer: one norm of all gradients, and a step that one device
// cannot take is skipped on both.
#include <torch/torch.h>

#include <agmohd/agmohd.hpp>
#include <cmath>
#include <cstdio>
#include <vector>

int main() {
  if (!torch::cuda::is_available()) return std::puts("skipped: there is no GPU"), 0;
  torch::manual_seed(1);
  const torch::Device first(torch::kCUDA, 0);
  const torch::Device second =
      torch::cuda::device_count() > 1 ? torch::Device(torch::kCUDA, 1) : torch::Device(torch::kCPU);
  torch::nn::Linear below(4, 32), above(32, 1);
  below->to(first);
  above->to(second);
  std::vector<torch::Tensor> parameters = below->parameters();
  for (const torch::Tensor& p : above->parameters()) parameters.push_back(p);
  agmohd::AGMOHD optimizer(parameters, agmohd::AGMOHDOptions(1e-2));

  const torch::Tensor x = torch::randn({64, 4}, first), y = x.sum(1, true).to(second);
  double sum = 0;  // of the squares of all gradients
  float last = 0;
  for (int step = 1; step <= 300; ++step) {
    optimizer.zero_grad();
    const torch::Tensor hidden = torch::tanh(below->forward(x)).to(second);
    const torch::Tensor loss = torch::mse_loss(above->forward(hidden), y);
    loss.backward();
    if (step == 200) above->bias.mutable_grad().fill_(std::nan(""));
    sum = 0;
    for (const torch::Tensor& p : parameters) sum += p.grad().square().sum().item<double>();
    optimizer.step(loss);
    last = loss.item<float>();
    if (step % 100 == 0) std::printf("step %d: loss %.6f\n", step, last);
  }
  const double measured = optimizer.signals().norm2;
  std::printf("on %s and %s: norm %.9f, by hand %.9f; %lld of 300 steps applied\n",
              first.str().c_str(), second.str().c_str(), std::sqrt(measured), std::sqrt(sum),
              static_cast<long long>(optimizer.updates()));
  return std::abs(measured - sum) < 1e-4 * sum && optimizer.updates() == 299 && last < 0.1f ? 0 : 1;
}
