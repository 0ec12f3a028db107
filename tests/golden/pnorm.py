# SPDX-FileCopyrightText: 2026 The agmohd authors
# SPDX-License-Identifier: Apache-2.0
"""Clipping by p-norms: with torch's vector_norm, and as torch's clip_grad_norm_ with norm_type = p has it.

That divides by norm + 1e-6; the others by the norm in double.
"""

import torch
from scenario import scenario


def clip_by_p_norm(parameters, bounds):
    max_norm, p = bounds
    norm = float(torch.linalg.vector_norm(torch.cat([q.grad.double().flatten() for q in parameters]), p))
    if norm > max_norm:
        for q in parameters:
            q.grad.mul_(max_norm / norm)
    return float(norm > max_norm)


def clip_by_p_norm_torch(parameters, bounds):
    max_norm, p = bounds
    norm = torch.nn.utils.clip_grad_norm_(parameters, max_norm, norm_type=p, foreach=False)
    return float(norm > max_norm)


def clipped(p, max_norm, clip=clip_by_p_norm):
    extra = {"max_norm": max_norm, "norm_type": p}
    return scenario("ClipByPNorm+AdamW", transforms=((clip, (max_norm, p)),), extra=extra, betas=(0.9, 0.95))


SCENARIOS = {
    "pnorm_1_adamw": clipped(1, 5.0),
    "pnorm_3_adamw": clipped(3, 0.7),
    "pnorm_5_adamw": clipped(5, 0.6),
    "pnorm_norm_torch_adamw": clipped(3, 1.0, clip_by_p_norm_torch),
}
