# SPDX-FileCopyrightText: 2026 The agmohd authors
# SPDX-License-Identifier: Apache-2.0
"""Adan (Xie et al. 2022, algorithm 1) as timm 1.0.31 has it, which is the authors' code without its clip.

Betas are one minus the paper's. Published versions disagree:

- The gradient difference has the weight beta2 in the direction and under the root, 1 minus the paper's; optax 0.2.8
  takes 1 - beta2.
- The first difference is 0; with `maximize` pytorch-optimizer 4.1.0 begins with twice the gradient.
- After the step the parameter is divided by 1 + lr weight_decay; with no_prox it is multiplied with 1 - lr weight_decay
  before, as in AdamW.

timm counts steps by group and has no `maximize`. The third of its betas is stored as beta3.
"""

from scenario import per_tensor, scenario
from timm.optim.adan import Adan


def make(tensors, betas, beta3=0.99, **options):
    return Adan(tensors, betas=(*betas, beta3), **options)


def adan(betas=(0.98, 0.92), eps=1e-8, weight_decay=0.0, **options):
    stated = {"betas": betas, "eps": eps, "weight_decay": weight_decay}
    return scenario("Adan", peer=per_tensor(make), stated=stated, **options)


SCENARIOS = {
    "adan_default": adan(),
    "adan_betas_eps": adan(betas=(0.9, 0.8), beta3=0.95, eps=1e-3),
    "adan_weight_decay": adan(weight_decay=0.3),
    "adan_no_prox": adan(lr=0.05, weight_decay=0.3, no_prox=True),
}
