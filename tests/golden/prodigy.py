# SPDX-FileCopyrightText: 2026 The agmohd authors
# SPDX-License-Identifier: Apache-2.0
"""Prodigy (Mishchenko & Defazio 2023, version of Adam) as its authors' package prodigyopt 1.1.2 has it.

The package multiplies eps, and without a first moment the gradient, with the estimate d that the step finds, the paper
with the d that it began with. So eps is 1e-30 where d grows, and both are tested where d does not, for which d_coef is
so small. The package refuses groups that differ in lr. It has no `maximize`.
"""

import torch
from prodigyopt import Prodigy
from scenario import scenario


class Peer:
    """With s and p0 in the shape of their parameters, and the gradients it changes its own."""

    ascends = False

    def __init__(self, groups, foreach, **options):
        self.optimizer = Prodigy(groups, **options)
        self.param_groups, self.add_param_group = self.optimizer.param_groups, self.optimizer.add_param_group

    def step(self):
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    p.grad = -p.grad if self.ascends else p.grad.clone()
        self.optimizer.step()

    @property
    def state(self):
        def shaped(p, state):
            return {name: x.expand(p.numel()).view(p.shape) if name in ("s", "p0") else x for name, x in state.items()}

        return {p: shaped(p, self.optimizer.state[p]) for g in self.param_groups for p in g["params"]}


class Ascending(Peer):
    ascends = True


def prodigy(eps=1e-30, d_coef=1.0, **options):
    peer = Ascending if options.pop("maximize", False) else Peer
    extra = {"maximize": True} if peer is Ascending else {}
    return scenario("Prodigy", peer=peer, stated={"eps": eps, "d_coef": d_coef}, extra=extra, one_rate=True, **options)


# Gradients of a slope without an end let d grow for ever: with lr = 1 beyond all bounds.
SCENARIOS = {
    "prodigy_default": prodigy(lr=0.03, d0=2e-2),
    "prodigy_betas_d": prodigy(lr=0.05, betas=(0.8, 0.98), beta3=0.9, d0=0.05),
    "prodigy_bias_correction": prodigy(lr=0.1, use_bias_correction=True, d0=1e-2, growth_rate=1.03, maximize=True),
    "prodigy_weight_decay": prodigy(lr=0.05, weight_decay=0.1, safeguard_warmup=True, d0=1e-2),
    "prodigy_l2": prodigy(lr=0.02, weight_decay=0.1, decouple=False, d0=5e-2),
    "prodigy_eps": prodigy(lr=0.1, eps=1e-3, d0=0.01, d_coef=1e-6),
    "prodigy_no_momentum": prodigy(lr=0.03, betas=(0.0, 0.99), eps=1e-8, d0=0.01, d_coef=1e-6),
}
