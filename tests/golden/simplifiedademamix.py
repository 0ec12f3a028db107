# SPDX-FileCopyrightText: 2026 The agmohd authors
# SPDX-License-Identifier: Apache-2.0
"""Simplified AdEMAMix (Morwani et al. 2025) as optax 0.2.8 has it, which is the authors' code.

pytorch-optimizer 4.1.0 differs from both: its momentum is a mean, m <- b1 m + (1 - b1) g, so that alpha weighs more by
1 / (1 - b1), and it divides the update by sqrt(1 - b2^t) where the authors multiply with it: 20 times the first step.

optax has no warm-up of b1. Here it gets the b1 of each step, by the scheduler that pytorch-optimizer has for the slow
mean of AdEMAMix; the authors' scheduler adds 1e-8 to betas under their logarithms. optax has no `maximize`; the
gradient is negated before. optax subtracts lr (u + weight_decay p); here p is multiplied with 1 - lr weight_decay
before, as torch.optim.AdamW does: equal but for the rounding of that factor, 3e-8 of p in a step of float32.
"""

import jax

jax.config.update("jax_enable_x64", True)
jax.config.update("jax_platforms", "cpu")

import numpy
import optax
import torch
from pytorch_optimizer import AdEMAMix
from scenario import per_tensor, scenario


def to_jax(tensor):
    return jax.numpy.array(tensor.detach().numpy())


def to_torch(array):
    return torch.from_numpy(numpy.array(array))


class OneTensor:
    """A step of optax on one tensor."""

    def __init__(self, tensors, lr, betas, foreach, maximize=False, beta1_warmup=0, min_beta1=0.9, weight_decay=0, **options):
        (self.parameter,), self.sign, self.t = tensors, -1 if maximize else 1, 0
        self.decay = 1 - lr * weight_decay
        beta1, beta2 = betas
        length = beta1_warmup or None

        def at(t):
            b1 = AdEMAMix.schedule_beta3(length, t, min_beta1, beta1) if length and t < length else beta1
            return optax.contrib.simplified_ademamix(lr, b1, beta2, **options)

        self.at, self.memory = at, at(1).init(to_jax(self.parameter))

    @torch.no_grad()
    def step(self):
        self.t += 1
        self.parameter.mul_(self.decay)
        gradient, parameter = to_jax(self.sign * self.parameter.grad), to_jax(self.parameter)
        updates, self.memory = self.at(self.t).update(gradient, self.memory, parameter)
        self.parameter.copy_(to_torch(optax.apply_updates(parameter, updates)))

    @property
    def state(self):
        slots = {"exp_avg": self.memory[0].m, "exp_avg_sq": self.memory[0].n}
        return {self.parameter: {name: to_torch(x) for name, x in slots.items()}}


def simplifiedademamix(lr=2e-4, betas=(0.99, 0.95), alpha=0.0, eps=1e-8, weight_decay=0.0, **options):
    stated = {"betas": betas, "alpha": alpha, "eps": eps, "weight_decay": weight_decay}
    return scenario("SimplifiedAdEMAMix", peer=per_tensor(OneTensor), stated=stated, lr=lr, **options)


SCENARIOS = {
    "simplifiedademamix_default": simplifiedademamix(),
    "simplifiedademamix_betas_alpha": simplifiedademamix(lr=1e-3, betas=(0.8, 0.99), alpha=10.0, eps=1e-4),
    "simplifiedademamix_warmup": simplifiedademamix(alpha=2.0, beta1_warmup=150, min_beta1=0.8),
    "simplifiedademamix_short_warmup": simplifiedademamix(beta1_warmup=40, weight_decay=0.3),
    "simplifiedademamix_maximize": simplifiedademamix(alpha=5.0, weight_decay=0.1, maximize=True),
}
