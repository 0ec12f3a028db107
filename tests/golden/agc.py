# SPDX-FileCopyrightText: 2026 The agmohd authors
# SPDX-License-Identifier: Apache-2.0
"""Adaptive gradient clipping by unit (Brock et al. 2021, equation 3) as timm 1.0.31 has it.

A unit's gradient is scaled to clip_factor max(||p||, clip_eps) where its norm is larger; norms below 1e-6 count as
1e-6 in the division. A unit is what one index of the first dimension names; a vector or a scalar is one unit. In
pytorch-optimizer 4.1.0 units of tensors of three dimensions have the norm over the second alone; none is here.
"""

import torch
from scenario import scenario
from timm.utils.agc import adaptive_clip_grad


def clip_by_unit(parameters, bounds):
    clip_factor, clip_eps = bounds
    before = [p.grad.clone() for p in parameters]
    adaptive_clip_grad(parameters, clip_factor=clip_factor, eps=clip_eps)
    changed = [p.grad != g for p, g in zip(parameters, before)]
    return float(torch.cat([c.flatten(1).any(1) if c.dim() > 1 else c.any().view(1) for c in changed]).double().mean())


def agc(rule, clip_factor, clip_eps, **options):
    extra = {"clip_factor": clip_factor, "clip_eps": clip_eps}
    return scenario(f"AGC+{rule}", transforms=((clip_by_unit, (clip_factor, clip_eps)),), extra=extra, **options)


SCENARIOS = {
    "agc_sgd": agc("SGD", 0.1, 1e-3, momentum=0.9),
    "agc_eps_sgd": agc("SGD", 0.05, 1.0, lr=0.1),
    "agc_adamw": agc("AdamW", 0.1, 1e-3, betas=(0.9, 0.99)),
}
