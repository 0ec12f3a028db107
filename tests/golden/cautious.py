# SPDX-FileCopyrightText: 2026 The agmohd authors
# SPDX-License-Identifier: Apache-2.0
"""Cautious AdamW and Lion (Liang et al. 2024, algorithm 1) as timm 1.0.31 has them: its caution=True.

The mask is divided by max(its mean over the tensor, 1e-3); the paper adds a constant to the mean. pytorch-optimizer
4.1.0 has the mask's mean likewise, but its AdamW adds eps within the uncorrected root.
"""

from scenario import per_tensor, scenario
from timm.optim.adamw import AdamWLegacy
from timm.optim.lion import Lion


def adamw(tensors, **options):
    return AdamWLegacy(tensors, caution=True, **options)


def lion(tensors, **options):
    return Lion(tensors, caution=True, **options)


def cautious_adamw(betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, **options):
    stated = {"betas": betas, "eps": eps, "weight_decay": weight_decay}
    return scenario("Cautious<AdamW>", peer=per_tensor(adamw), stated=stated, **options)


def cautious_lion(betas=(0.9, 0.99), weight_decay=0.0, **options):
    stated = {"betas": betas, "weight_decay": weight_decay}
    return scenario("Cautious<Lion>", peer=per_tensor(lion), stated=stated, **options)


SCENARIOS = {
    "cautious_adamw_default": cautious_adamw(),
    "cautious_adamw_betas_eps": cautious_adamw(betas=(0.95, 0.9), eps=1e-3, weight_decay=0.3),
    "cautious_adamw_amsgrad_maximize": cautious_adamw(weight_decay=0.1, amsgrad=True, maximize=True),
    "cautious_lion_default": cautious_lion(),
    "cautious_lion_betas": cautious_lion(betas=(0.95, 0.8), weight_decay=0.3),
    "cautious_lion_maximize": cautious_lion(weight_decay=0.1, maximize=True),
}
