# SPDX-FileCopyrightText: 2026 The agmohd authors
# SPDX-License-Identifier: Apache-2.0
"""Clipping by norm, by the infinity norm and by value, alone and in a chain."""

import math

import torch
from scenario import scenario


def clip_by_norm(parameters, max_norm):
    """max_norm / norm where the norm is larger, else untouched; the norm in double."""
    norm = math.sqrt(sum(float(p.grad.double().square().sum()) for p in parameters))
    if norm > max_norm:
        for p in parameters:
            p.grad.mul_(max_norm / norm)
    return float(norm > max_norm)


def clip_by_norm_torch(parameters, max_norm):
    """torch's own: max_norm / (norm + 1e-6), at most 1. Differs from clip_by_norm by up to 1e-6 / norm."""
    norm = torch.nn.utils.clip_grad_norm_(parameters, max_norm, foreach=False)
    return float(norm > max_norm)


def clip_by_max_norm_torch(parameters, max_abs):
    """torch's own with the infinity norm: max_abs / (largest + 1e-6), at most 1. It refuses an empty tensor."""
    some = [p for p in parameters if p.numel() > 0]
    largest = torch.nn.utils.clip_grad_norm_(some, max_abs, norm_type=math.inf, foreach=False)
    return float(largest > max_abs)


def clip_by_value(parameters, max_value):
    clipped = torch.cat([p.grad.flatten().abs() > max_value for p in parameters]).double().mean()
    for p in parameters:
        p.grad.clamp_(-max_value, max_value)
    return float(clipped)


SCENARIOS = {
    "clip_norm_adamw": scenario(
        "ClipByNorm+AdamW", transforms=((clip_by_norm, 1.0),), extra={"max_norm": 1.0}, betas=(0.9, 0.95)
    ),
    "clip_norm_torch_adamw": scenario(
        "ClipByNorm+AdamW", transforms=((clip_by_norm_torch, 1.0),), extra={"max_norm": 1.0}, betas=(0.9, 0.95)
    ),
    "clip_max_norm_torch_adamw": scenario(
        "ClipByMaxNorm+AdamW", transforms=((clip_by_max_norm_torch, 1.0),), extra={"max_abs": 1.0}, betas=(0.9, 0.95)
    ),
    "clip_value_sgd": scenario(
        "ClipByValue+SGD", transforms=((clip_by_value, 0.1),), extra={"max_value": 0.1}, momentum=0.9
    ),
    "clip_value_norm_adam": scenario(
        "ClipByValue+ClipByNorm+Adam",
        transforms=((clip_by_value, 0.2), (clip_by_norm, 0.6)),
        extra={"max_value": 0.2, "max_norm": 0.6},
        betas=(0.9, 0.95),
    ),
}
