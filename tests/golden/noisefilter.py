# SPDX-FileCopyrightText: 2026 The agmohd authors
# SPDX-License-Identifier: Apache-2.0
"""NoiseFilter around torch.optim.AdamW: update and moments are torch's, the update taken from a parameter of zeros with
a learning rate of 1; the filter is agmohd's own, here from those moments."""

import torch
from scenario import per_tensor, scenario


class NoiseFilter:
    """Of one tensor."""

    def __init__(self, tensors, lr, noise_level=0.1, weight_decay=0.0, betas=(0.9, 0.999), **options):
        (self.parameter,) = tensors
        self.lr, self.weight_decay, self.betas, self.noise_level = lr, weight_decay, betas, noise_level
        self.zero = torch.nn.Parameter(torch.zeros_like(self.parameter))
        self.adamw = torch.optim.AdamW([self.zero], lr=1.0, weight_decay=0.0, betas=betas, **options)

    def step(self):
        self.zero.detach().zero_()
        self.zero.grad = self.parameter.grad.clone()
        self.adamw.step()
        state = self.adamw.state[self.zero]
        beta1, beta2 = (1 - beta ** float(state["step"]) for beta in self.betas)
        mean, square = state["exp_avg"] / beta1, state["exp_avg_sq"] / beta2
        ratio = torch.where(square > 0, mean.abs() / square.sqrt(), 1.0)
        u = -self.zero.detach() * (ratio / self.noise_level).clamp(max=1)
        self.parameter.detach().mul_(1 - self.lr * self.weight_decay).sub_(self.lr * u)

    @property
    def state(self):
        return {self.parameter: self.adamw.state.get(self.zero, {})}


def noisefilter(noise_level=0.1, weight_decay=0.01, **options):
    stated = {"noise_level": noise_level, "weight_decay": weight_decay}
    return scenario("NoiseFilter<AdamW>", peer=per_tensor(NoiseFilter), stated=stated, **options)


SCENARIOS = {
    "noisefilter_default": noisefilter(),
    "noisefilter_level": noisefilter(noise_level=0.7, betas=(0.5, 0.95), weight_decay=0.1),
    "noisefilter_amsgrad_maximize": noisefilter(noise_level=1.0, lr=0.005, amsgrad=True, maximize=True),
}
