# SPDX-FileCopyrightText: 2026 The agmohd authors
# SPDX-License-Identifier: Apache-2.0
"""ADOPT (Taniguchi et al. 2024, algorithm 2) as timm 1.0.31 has it, with clip_exp 0.25.

Published versions disagree; the paper is taken:

- The bound of step t is t^0.25, t not counting the first gradient, which only begins the second moment: as in timm
  and optax 0.2.8. pytorch-optimizer 4.1.0 counts it. timm's default power is 0.333.
- The first gradient does not move the parameter; decoupled weight decay does not, either, as in timm.
  pytorch-optimizer decays it.
- Weight decay is L2 by default, as in all that have it, and decoupled by option.

`decoupled` is stored by PyTorch's name, decoupled_weight_decay.
"""

from scenario import per_tensor, scenario
from timm.optim.adopt import Adopt


def make(tensors, clip_exp=0.25, decoupled_weight_decay=False, **options):
    return Adopt(tensors, clip_exp=clip_exp, decoupled=decoupled_weight_decay, **options)


def adopt(betas=(0.9, 0.9999), eps=1e-6, weight_decay=0.0, **options):
    stated = {"betas": betas, "eps": eps, "weight_decay": weight_decay}
    return scenario("ADOPT", peer=per_tensor(make), stated=stated, **options)


SCENARIOS = {
    "adopt_default": adopt(),
    "adopt_betas_eps": adopt(betas=(0.8, 0.95), eps=1e-2),
    "adopt_clip_exp": adopt(betas=(0.9, 0.9), clip_exp=0.1),
    "adopt_weight_decay": adopt(weight_decay=0.1),
    "adopt_decoupled": adopt(weight_decay=0.1, decoupled_weight_decay=True),
    "adopt_maximize": adopt(weight_decay=0.05, maximize=True),
}
