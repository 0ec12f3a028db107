# SPDX-FileCopyrightText: 2026 The agmohd authors
# SPDX-License-Identifier: Apache-2.0
"""Hyperball (Wen et al. 2026) around AdamW, of two public parts.

The projection is heavyball's 3.2.1, hyperball_step_. Its HyperBallAdamW has no first moment, so the update is that of
torch.optim.AdamW, taken from a parameter of zeros with a learning rate of 1. Tensors of less than two dimensions are
torch.optim.AdamW's. As in heavyball the radius is the norm before the first step, and tensors of more than two dimensions
have one; unlike there decoupled weight decay does not join the update of matrices: it has no place in the paper's.
"""

import torch
import torch._dynamo

torch._dynamo.config.disable = True  # before heavyball compiles
from heavyball.utils import hyperball_step_
from scenario import per_tensor, scenario

EMPTY = 4


class Hyperball:
    """Of one matrix."""

    def __init__(self, tensors, lr, weight_decay=0.0, **options):
        (self.parameter,) = tensors
        self.lr, self.radius = torch.tensor(lr, dtype=self.parameter.dtype), None
        self.zero = torch.nn.Parameter(torch.zeros_like(self.parameter))
        self.adamw = torch.optim.AdamW([self.zero], lr=1.0, weight_decay=0.0, **options)

    def step(self):
        p = self.parameter.detach()
        if self.radius is None:
            self.radius = p.norm()
        self.zero.detach().zero_()
        self.zero.grad = self.parameter.grad.clone()
        self.adamw.step()
        hyperball_step_([p], [-self.zero.detach()], [self.radius], self.lr, 0.0, False, None)

    @property
    def state(self):
        return {self.parameter: self.adamw.state.get(self.zero, {})}


def make(tensors, **options):
    return (Hyperball if tensors[0].dim() > 1 else torch.optim.AdamW)(tensors, **options)


def hyperball(weight_decay=0.0, **options):
    stated = {"weight_decay": weight_decay}
    return scenario("Hyperball<AdamW>", peer=per_tensor(make), stated=stated, leaves_out=(EMPTY,), **options)


SCENARIOS = {
    "hyperball_default": hyperball(),
    "hyperball_betas_eps": hyperball(betas=(0.8, 0.95), eps=1e-3, weight_decay=0.1),
    "hyperball_amsgrad_maximize": hyperball(lr=0.005, amsgrad=True, maximize=True),
}
