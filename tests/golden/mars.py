# SPDX-FileCopyrightText: 2026 The agmohd authors
# SPDX-License-Identifier: Apache-2.0
"""MARS-AdamW (Yuan et al. 2024, MARS-approx) as timm 1.0.31 has it, with optimize_1d: all tensors are treated alike.

- The first corrected gradient is the gradient; in the authors' code and pytorch-optimizer 4.1.0 the last gradient is 0
  before the first step, so that it is 1 + gamma b1 / (1 - b1) times the gradient.
- v is of the corrected, clipped gradient in all three; the authors' README writes the gradient there.
- Defaults are the authors' (betas 0.95, 0.99; timm has 0.9, 0.99). timm has no `maximize`; the gradient is negated
  before, and so is last_grad.
- timm subtracts lr (u + weight_decay p); here p is multiplied with 1 - lr weight_decay before, as torch.optim.AdamW
  does: equal but for the rounding of that factor, 3e-8 of p in a step of float32.
"""

import torch
from scenario import per_tensor, scenario
from timm.optim.mars import Mars


class Peer:
    """timm's on one tensor, weight decay and sign as above."""

    def __init__(self, tensors, lr, weight_decay=0, maximize=False, foreach=False, **options):
        (self.parameter,), self.decay, self.sign = tensors, 1 - lr * weight_decay, -1 if maximize else 1
        self.optimizer = Mars(tensors, lr, optimize_1d=True, **options)

    @torch.no_grad()
    def step(self):
        self.parameter.mul_(self.decay)
        self.parameter.grad.mul_(self.sign)
        self.optimizer.step()

    @property
    def state(self):
        return self.optimizer.state


def mars(betas=(0.95, 0.99), gamma=0.025, eps=1e-8, weight_decay=0.0, **options):
    stated = {"betas": betas, "gamma": gamma, "eps": eps, "weight_decay": weight_decay}
    return scenario("MARS", peer=per_tensor(Peer), stated=stated, **options)


SCENARIOS = {
    "mars_default": mars(),
    "mars_betas_gamma": mars(betas=(0.8, 0.95), gamma=0.2, eps=1e-4),
    "mars_weight_decay": mars(betas=(0.9, 0.999), weight_decay=0.3),
    "mars_maximize": mars(gamma=0.1, weight_decay=0.1, maximize=True),
}
