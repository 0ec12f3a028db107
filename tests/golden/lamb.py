# SPDX-FileCopyrightText: 2026 The agmohd authors
# SPDX-License-Identifier: Apache-2.0
"""LAMB (You et al. 2020, algorithm 2; phi is the identity) as timm 1.0.31 has it, without what timm adds to it.

Published versions disagree; algorithm 2 of the paper's last version is taken:

- Both moments have bias correction, as in timm and optax 0.2.8. pytorch-optimizer 4.1.0 follows the paper's third
  version without it, yet divides the learning rate by 1 - beta1^t; torch-optimizer 0.3.0 has none by default.
- ||p|| is not bounded; pytorch-optimizer and torch-optimizer clamp it to 10, and the former adds eps to ||r + wd p||.
- Weight decay is within the update and in its norm; in pytorch-optimizer it is decoupled by default.
- Every tensor has a trust ratio; timm's default gives none to a group without weight decay (always_adapt=True here).
- The ratio is 1 where ||p|| or ||r + wd p|| is 0, as in all of them.
- Gradients are not clipped; timm and NVIDIA's NVLAMB clip to a global norm of 1 first (max_grad_norm=None here).

`bias_correction` and `trust_clip` (a ratio of at most 1: LAMBC) are timm's options. timm counts steps by group and has
no `maximize`.
"""

from scenario import per_tensor, scenario
from timm.optim.lamb import Lamb


def make(tensors, **options):
    return Lamb(tensors, max_grad_norm=None, always_adapt=True, **options)


def lamb(betas=(0.9, 0.999), eps=1e-6, weight_decay=0.0, **options):
    stated = {"betas": betas, "eps": eps, "weight_decay": weight_decay}
    return scenario("LAMB", peer=per_tensor(make), stated=stated, **options)


SCENARIOS = {
    "lamb_default": lamb(),
    "lamb_betas_eps": lamb(betas=(0.8, 0.95), eps=1e-3),
    "lamb_weight_decay": lamb(weight_decay=0.1),
    "lamb_no_bias_correction": lamb(weight_decay=0.01, bias_correction=False),
    "lamb_trust_clip": lamb(weight_decay=0.1, trust_clip=True),
}
