# SPDX-FileCopyrightText: 2026 The agmohd authors
# SPDX-License-Identifier: Apache-2.0
"""EVA, written here in torch operations from the formula of the Rust crate trustformers-optim (cool-japan/trustformers):
no Python package has it. Variances are those of torch.var, not differences of means as in agmohd.

The crate counts steps over all tensors and works in float32; here each tensor counts its own, as agmohd does.
"""

import torch
from scenario import per_tensor, scenario


class EVA:
    def __init__(self, tensors, foreach, lr, betas, eps, weight_decay, adaptation_strength=1.0, maximize=False):
        self.tensors, self.lr, self.betas, self.eps = tensors, lr, betas, eps
        self.weight_decay, self.strength, self.sign = weight_decay, adaptation_strength, -1 if maximize else 1
        self.state = {}

    @torch.no_grad()
    def step(self):
        for p in self.tensors:
            zeros = {"step": 0, "exp_avg": torch.zeros_like(p), "exp_avg_sq": torch.zeros_like(p)}
            state, (beta1, beta2) = self.state.setdefault(p, zeros), self.betas
            state["step"] += 1
            variance = p.grad.var(correction=0) if p.numel() > 0 else torch.zeros(())
            factor = (1 / (1 + self.strength * (variance + self.eps).sqrt())).clamp(0.1, 2.0)
            gradient = self.sign * p.grad + self.weight_decay * p
            state["exp_avg"].mul_(beta1).add_(gradient, alpha=1 - beta1)
            state["exp_avg_sq"].mul_(beta2).add_(gradient.square(), alpha=1 - beta2)
            first = state["exp_avg"] / (1 - beta1 ** state["step"])
            second = state["exp_avg_sq"] / (1 - beta2 ** state["step"])
            p.sub_(self.lr * factor * first / (second.sqrt() + self.eps))


def eva(betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, **options):
    stated = {"betas": betas, "eps": eps, "weight_decay": weight_decay}
    return scenario("EVA", peer=per_tensor(EVA), stated=stated, **options)


SCENARIOS = {
    "eva_default": eva(weight_decay=0.01),
    "eva_betas_eps": eva(betas=(0.8, 0.95), eps=1e-3),
    "eva_adaptation_strength": eva(weight_decay=0.1, adaptation_strength=20.0),
    "eva_maximize": eva(weight_decay=0.05, maximize=True),
}
