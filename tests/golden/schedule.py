# SPDX-FileCopyrightText: 2026 The agmohd authors
# SPDX-License-Identifier: Apache-2.0
"""Learning rate schedules: torch.optim.lr_scheduler's, one for each group, and a warm-up in front of the cosine."""

import math

import torch
from scenario import GROUPS, STEPS, scenario


def scheduler_rates(make):
    """The learning rates that a torch scheduler gives, as a function of the base rate."""

    def rates(base):
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=base)
        scheduler = make(optimizer, base)
        result = []
        for _ in range(STEPS):
            result.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            scheduler.step()
        return result

    return rates


def group_rates(lr, factors):
    """LambdaLR with a function for each group, whose base rates differ."""
    bases = [group["options"](lr).get("lr", lr) for group in GROUPS]
    parameters = [torch.nn.Parameter(torch.zeros(1)) for _ in bases]
    optimizer = torch.optim.SGD([{"params": [p], "lr": base} for p, base in zip(parameters, bases)])
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, factors)
    result = {base: [] for base in bases}
    for _ in range(STEPS):
        for group, base in zip(optimizer.param_groups, bases):
            result[base].append(group["lr"])
        optimizer.step()
        scheduler.step()
    return result.__getitem__


def warmup_cosine(warmup_steps, total_steps, min_factor):
    """(t + 1) / warmup_steps, then the cosine over what is left, then min_factor; t counts the steps applied before."""

    def factor(t):
        if t < warmup_steps:
            return (t + 1) / warmup_steps
        progress = min((t - warmup_steps) / (total_steps - warmup_steps), 1.0)
        return min_factor + (1.0 - min_factor) * 0.5 * (1.0 + math.cos(math.pi * progress))

    return lambda base: [base * factor(t) for t in range(STEPS)]


SCENARIOS = {
    # The last function is also that of the third group.
    "schedule_by_group_adamw": scenario(
        "ByGroup+AdamW",
        rates=group_rates(
            0.02,
            [
                lambda t: min(1.0, (t + 1) / 12),
                *(2 * [lambda t: 0.1 + 0.9 * 0.5 * (1.0 + math.cos(math.pi * min(t / 80, 1.0)))]),
            ],
        ),
        extra={"warmup_steps": 12, "total_steps": 80, "min_factor": 0.1},
        weight_decay=0.1,
        lr=0.02,
    ),
    "schedule_linear_sgd": scenario(
        "Linear+SGD",
        rates=scheduler_rates(lambda o, _: torch.optim.lr_scheduler.LinearLR(o, 0.25, 0.05, total_iters=60)),
        extra={"start_factor": 0.25, "end_factor": 0.05, "total_steps": 60},
        momentum=0.9,
        lr=0.05,
    ),
    "schedule_cosine_adam": scenario(
        "Cosine+Adam",
        rates=scheduler_rates(lambda o, base: torch.optim.lr_scheduler.CosineAnnealingLR(o, STEPS, eta_min=0.2 * base)),
        extra={"total_steps": STEPS, "min_factor": 0.2},
        lr=0.02,
    ),
    "schedule_warmup_cosine_adamw": scenario(
        "Warmup+Cosine+AdamW",
        rates=warmup_cosine(warmup_steps=12, total_steps=80, min_factor=0.1),
        extra={"warmup_steps": 12, "total_steps": 80, "min_factor": 0.1},
        weight_decay=0.1,
        lr=0.02,
    ),
}
