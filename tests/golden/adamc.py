# SPDX-FileCopyrightText: 2026 The agmohd authors
# SPDX-License-Identifier: Apache-2.0
"""AdamC (Defazio 2025) as timm 1.0.31 has it: AdamW with corrected_weight_decay, where max_lr is given.

timm takes the learning rate at its construction for the largest; here that is max_lr, and the learning rate is set
after it. pytorch-optimizer 4.1.0 corrects likewise where a group is `normalized`, but adds eps within the uncorrected
root.
"""

from scenario import per_tensor, scenario
from timm.optim.adamw import AdamWLegacy


def make(tensors, lr, max_lr=0, **options):
    optimizer = AdamWLegacy(tensors, lr=max_lr or lr, corrected_weight_decay=max_lr > 0, **options)
    optimizer.param_groups[0]["lr"] = lr
    return optimizer


def adamc(betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, **options):
    stated = {"betas": betas, "eps": eps, "weight_decay": weight_decay}
    return scenario("AdamC", peer=per_tensor(make), stated=stated, **options)


SCENARIOS = {
    "adamc_uncorrected": adamc(weight_decay=0.5),
    "adamc_corrected": adamc(weight_decay=0.5, max_lr=0.03),
    "adamc_betas_eps": adamc(betas=(0.8, 0.95), eps=1e-3, weight_decay=1.0, max_lr=0.02),
    "adamc_amsgrad_maximize": adamc(weight_decay=0.3, max_lr=0.05, amsgrad=True, maximize=True),
}
