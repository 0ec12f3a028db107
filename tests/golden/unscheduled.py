# SPDX-FileCopyrightText: 2026 The agmohd authors
# SPDX-License-Identifier: Apache-2.0
"""The schedule-free rules (Defazio et al. 2024) as their authors' package schedulefree 1.4.1 has them, in train mode.

The parameters are y. The average's weights are lr_max^weight_lr_power k^r, lr_max being the largest rate so far; the
paper has lr^2. The package counts k by group and puts its warm-up into the rule; here k is per tensor and there is no
warm-up. Its AdamW divides exp_avg_sq by 1 - beta2^t, where the paper's algorithm 1 scales the rate by the root of that.
The package has no `maximize`: the gradients are negated for it.
"""

import schedulefree
from scenario import per_tensor, scenario


def training(make):
    def made(tensors, maximize=False, **options):
        optimizer = make(tensors, **options)
        optimizer.train()
        if maximize:
            step = optimizer.step

            def ascend():
                for p in tensors:
                    p.grad = -p.grad
                step()

            optimizer.step = ascend
        return optimizer

    return made


def peer(make):
    return per_tensor(training(make))


def sgd(momentum=0.9, weight_decay=0.0, lr=0.1, **options):
    stated = {"momentum": momentum, "weight_decay": weight_decay}
    return scenario("SGDScheduleFree", peer=peer(schedulefree.SGDScheduleFree), stated=stated, lr=lr, **options)


def adamw(betas=(0.9, 0.999), weight_decay=0.0, **options):
    stated = {"betas": betas, "weight_decay": weight_decay}
    return scenario("AdamWScheduleFree", peer=peer(schedulefree.AdamWScheduleFree), stated=stated, **options)


def radam(betas=(0.9, 0.999), weight_decay=0.0, lr=0.05, **options):
    stated = {"betas": betas, "weight_decay": weight_decay}
    return scenario("RAdamScheduleFree", peer=peer(schedulefree.RAdamScheduleFree), stated=stated, lr=lr, **options)


SCENARIOS = {
    "unscheduled_sgd": sgd(),
    "unscheduled_sgd_momentum_weight_decay": sgd(momentum=0.98, weight_decay=0.1),
    "unscheduled_sgd_r": sgd(r=2.0),
    "unscheduled_sgd_maximize": sgd(weight_decay=0.05, maximize=True),
    "unscheduled_adamw": adamw(),
    "unscheduled_adamw_betas_eps": adamw(betas=(0.95, 0.9), eps=1e-3),
    "unscheduled_adamw_weight_decay_r": adamw(weight_decay=0.1, r=1.0),
    "unscheduled_adamw_maximize": adamw(weight_decay=0.05, maximize=True),
    "unscheduled_radam": radam(betas=(0.9, 0.99)),
    "unscheduled_radam_betas_eps": radam(betas=(0.95, 0.9), eps=1e-3),
    "unscheduled_radam_weight_decay_power": radam(weight_decay=0.1, r=1.0, weight_lr_power=1.0),
    "unscheduled_radam_sgd_phase": radam(weight_decay=0.05, silent_sgd_phase=False),
    "unscheduled_radam_maximize": radam(weight_decay=0.05, maximize=True),
}
