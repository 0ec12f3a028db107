// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

// REINFORCE (Williams 1992) learns to balance poles on carts (Barto, Sutton & Anderson 1983).
#include <torch/torch.h>

#include <agmohd/agmohd.hpp>
#include <cstdio>
#include <vector>

/// 0.02 s later; columns are position, speed, angle, angular speed. `right`: 1, or 0 for left.
torch::Tensor moved(const torch::Tensor& state, const torch::Tensor& right) {
  const torch::Tensor angle = state.select(1, 2), spin = state.select(1, 3);
  const torch::Tensor push = (20 * right - 10 + 0.05 * spin.square() * angle.sin()) / 1.1;
  const torch::Tensor turn = (9.8 * angle.sin() - angle.cos() * push) /
                             (0.5 * (4.0 / 3 - 0.1 / 1.1 * angle.cos().square()));
  const torch::Tensor drive = push - 0.05 / 1.1 * turn * angle.cos();
  return state + 0.02 * torch::stack({state.select(1, 1), drive, spin, turn}, 1);
}

int main() {
  torch::manual_seed(1);
  torch::nn::Sequential policy(torch::nn::Linear(4, 32), torch::nn::Tanh(),
                               torch::nn::Linear(32, 1));
  agmohd::AGMOHD optimizer(policy->parameters(), agmohd::AGMOHDOptions(3e-2).weight_decay(0.0));
  double life = 0;
  for (int round = 1; round <= 40; ++round) {
    torch::Tensor state = 0.1 * torch::rand({32, 4}) - 0.05, up = torch::ones({32});
    std::vector<torch::Tensor> states, actions, before, after;
    for (int t = 0; t < 200; ++t) {
      const torch::NoGradGuard no_grad;
      states.push_back(state), before.push_back(up);
      actions.push_back(torch::bernoulli(torch::sigmoid(policy->forward(state).squeeze(1))));
      state = moved(state, actions.back());
      up = up * (state.select(1, 0).abs() < 2.4) * (state.select(1, 2).abs() < 0.21);
      after.push_back(up);
    }
    const torch::Tensor ahead = torch::stack(after).flip(0).cumsum(0).flip(0);  // of its life
    torch::Tensor gain = (ahead - ahead.mean(1, true)) * torch::stack(before);  // over the others
    gain = gain / (gain.std() + 1e-8);
    const torch::Tensor logits = policy->forward(torch::stack(states)).squeeze(2);
    optimizer.zero_grad();
    torch::binary_cross_entropy_with_logits(logits, torch::stack(actions), gain).backward();
    optimizer.step(1 - ahead[0].mean() / 200);  // what should fall, not the surrogate
    life = ahead[0].mean().item<double>();
    if (round % 5 == 0) std::printf("round %2d: upright for %.1f of 200 steps\n", round, life);
  }
  return life > 190 ? 0 : 1;
}
