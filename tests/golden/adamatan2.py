# SPDX-FileCopyrightText: 2026 The agmohd authors
# SPDX-License-Identifier: Apache-2.0
"""Adam-atan2 (Everett et al. 2024) as adam-atan2-pytorch 0.4.1 has it.

Its decoupled_wd, which divides weight_decay by the first learning rate, its cautious and its regenerative options are
left out. It has no `maximize`; the gradient is negated before.
"""

import torch
from adam_atan2_pytorch import AdamAtan2
from scenario import per_tensor, scenario


class Peer:
    def __init__(self, tensors, maximize=False, foreach=False, **options):
        (self.parameter,), self.sign, self.optimizer = tensors, -1 if maximize else 1, AdamAtan2(tensors, **options)

    @torch.no_grad()
    def step(self):
        self.parameter.grad.mul_(self.sign)
        self.optimizer.step()

    @property
    def state(self):
        return {p: {n: x for n, x in s.items() if n != "steps"} for p, s in self.optimizer.state.items()}


def adamatan2(betas=(0.9, 0.99), weight_decay=0.0, **options):
    return scenario("AdamAtan2", peer=per_tensor(Peer), stated={"betas": betas, "weight_decay": weight_decay}, **options)


SCENARIOS = {
    "adamatan2_default": adamatan2(),
    "adamatan2_betas_a_b": adamatan2(betas=(0.95, 0.8), a=2.0, b=3.0),
    "adamatan2_weight_decay": adamatan2(weight_decay=0.3),
    "adamatan2_maximize": adamatan2(lr=4e-3, betas=(0.8, 0.999), b=0.25, weight_decay=0.1, maximize=True),
}
