# SPDX-FileCopyrightText: 2026 The agmohd authors
# SPDX-License-Identifier: Apache-2.0
"""LARS (You et al. 2017, algorithm 1) as timm 1.0.31 has it.

lr multiplies the buffer, as in PyTorch's SGD; in the paper it enters it. The ratio is 1 for a group without weight decay
unless always_adapt, and where a norm is 0. pytorch-optimizer 4.1.0 has no eps, and adapts by the number of dimensions.
timm has no `maximize`: the gradients are negated for it. Its dampening is 0 here.
"""

from scenario import scenario
from timm.optim.lars import Lars


class Ascending(Lars):
    def __init__(self, groups, maximize=False, **options):
        super().__init__(groups, **options)
        self.sign = -1 if maximize else 1

    def step(self):
        for group in self.param_groups:
            for p in group["params"]:
                p.grad = None if p.grad is None else self.sign * p.grad
        super().step()


def lars(lr=1.0, momentum=0.9, weight_decay=0.05, **options):
    stated = {"momentum": momentum, "weight_decay": weight_decay}
    return scenario("LARS", peer=Ascending if "maximize" in options else Lars, stated=stated, lr=lr, **options)


SCENARIOS = {
    "lars_default": lars(),
    "lars_no_momentum": lars(momentum=0.0, lr=4.0, trust_coeff=5e-3),
    "lars_nesterov": lars(nesterov=True, trust_coeff=2e-3, eps=1e-2),
    "lars_always_adapt": lars(weight_decay=0.0, always_adapt=True),
    "lars_trust_clip": lars(lr=0.1, trust_clip=True, trust_coeff=0.02),
    "lars_maximize": lars(maximize=True),
}
