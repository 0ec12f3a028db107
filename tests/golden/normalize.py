# SPDX-FileCopyrightText: 2026 The agmohd authors
# SPDX-License-Identifier: Apache-2.0
"""Gradients of one size: of one global norm as optax 0.2.8 has it, g scale_factor / (norm + eps), each tensor of one
root mean square as torch's rms_norm over the whole tensor has it, each of the median of the tensors' norms as numpy's
median has it, and of signs as torch.sign and optax's scale_by_sign.

pytorch-optimizer's normalize_gradient divides by the standard deviation, and is no peer.
"""

import jax
import numpy
import optax
import torch
from clip import clip_by_norm
from scenario import scenario

jax.config.update("jax_enable_x64", True)


def by_optax(make):
    """What an optax transformation makes of the gradients."""

    def apply(parameters):
        transformation = make()
        gradients = [jax.numpy.asarray(p.grad.numpy()) for p in parameters]
        changed, _ = transformation.update(gradients, transformation.init(gradients))
        for p, g in zip(parameters, changed):
            p.grad.copy_(torch.tensor(jax.device_get(g)))

    return apply


def normalize(parameters, bounds):
    to, eps = bounds
    norm = torch.cat([p.grad.double().flatten() for p in parameters]).norm()
    by_optax(lambda: optax.normalize_by_update_norm(scale_factor=to, eps=eps))(parameters)
    return float(norm + eps > to)


def normalize_tensors(parameters, to):
    sizes = []
    for p in parameters:
        if p.grad.numel() > 0:
            sizes.append(float(p.grad.double().square().mean().sqrt()))
            p.grad.copy_(to * torch.nn.functional.rms_norm(p.grad, p.grad.shape, eps=0.0))
    return sum(size > to for size in sizes) / len(sizes)


def normalize_to_median(parameters, unused):
    norms = {p: float(torch.linalg.vector_norm(p.grad.double())) for p in parameters if p.grad.numel() > 0}
    median = float(numpy.median(list(norms.values())))
    for p, norm in norms.items():
        p.grad.mul_(median / norm)
    return sum(norm > median for norm in norms.values()) / len(norms)


def sign(parameters, unit):
    grown = torch.cat([(p.grad != 0).flatten() & (p.grad.abs() > unit).flatten() for p in parameters])
    expected = [torch.sign(p.grad) for p in parameters]
    by_optax(optax.scale_by_sign)(parameters)
    assert all(torch.equal(p.grad, e) for p, e in zip(parameters, expected))
    return float(grown.double().mean())


def normalized(rule, to, eps, **options):
    extra = {"normalize_to": to, "normalize_eps": eps}
    return scenario(f"Normalize+{rule}", transforms=((normalize, (to, eps)),), extra=extra, **options)


SCENARIOS = {
    "normalize_sgd": normalized("SGD", 1.0, 1e-6, momentum=0.9),
    "normalize_eps_adamw": normalized("AdamW", 3.0, 0.5, betas=(0.9, 0.95)),
    "normalize_tensors_sgd": scenario(
        "NormalizeTensors+SGD",
        transforms=((normalize_tensors, 0.125),),
        extra={"rms_to": 0.125, "rms_eps": 0.0},
        momentum=0.9,
    ),
    "normalize_median_sgd": scenario(
        "NormalizeToMedian+SGD", transforms=((normalize_to_median, None),), momentum=0.9
    ),
    "normalize_clip_median_adamw": scenario(
        "ClipByNorm+NormalizeToMedian+AdamW",
        transforms=((clip_by_norm, 1.0), (normalize_to_median, None)),
        extra={"max_norm": 1.0},
        betas=(0.9, 0.95),
        eps=0.01,
    ),
    "normalize_sign_sgd": scenario("Sign+SGD", transforms=((sign, 0.125),), momentum=0.9),
}
