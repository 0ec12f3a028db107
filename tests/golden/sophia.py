# SPDX-FileCopyrightText: 2026 The agmohd authors
# SPDX-License-Identifier: Apache-2.0
"""Sophia (Liu et al. 2023) as pytorch-optimizer 4.1.0 (SophiaH) has it, in other units.

It bounds m / max(h, eps) by rho, as the paper's first version; here m / max(rho h, eps) is bounded by 1, as in later
ones. So it gets lr / rho, eps / rho and rho weight_decay. The authors' code has rho bs h + 1e-15 in the place of the
maximum.

In the scenarios of recipe Sophia h stays 0. In those of Sophia+hessian every tenth update of a tensor, the first one
included, comes with the estimate 400 g |g|: known, of both signs.
"""

from pytorch_optimizer import SophiaH
from scenario import per_tensor, scenario

EVERY = 10
NAMES = {"momentum": "exp_avg", "hessian_moment": "hessian"}


def peer(estimates):
    class Sophia:
        def __init__(self, tensors, foreach, lr, rho, eps, weight_decay, **options):
            more = {"foreach": foreach, "update_period": 10**9, **options}
            self.optimizer = SophiaH(
                tensors, lr=lr / rho, p=rho, eps=eps / rho, weight_decay=weight_decay * rho, **more
            )
            self.tensors, self.steps = tensors, 0

        def step(self):
            gradients = [p.grad for p in self.tensors]
            hessian = None
            if self.steps == 0 or (estimates and self.steps % EVERY == 0):
                hessian = [400 * g * g.abs() if estimates else 0 * g for g in gradients]
            self.steps += 1
            self.optimizer.step(hessian=hessian)

        @property
        def state(self):
            return {p: {NAMES[n]: x for n, x in s.items() if n in NAMES} for p, s in self.optimizer.state.items()}

    return per_tensor(Sophia)


def sophia(betas=(0.965, 0.99), rho=0.04, eps=1e-12, weight_decay=0.0, estimates=False, **options):
    stated = {"betas": betas, "rho": rho, "eps": eps, "weight_decay": weight_decay}
    return scenario("Sophia+hessian" if estimates else "Sophia", peer=peer(estimates), stated=stated, **options)


SCENARIOS = {
    "sophia_eps": sophia(eps=0.05),
    "sophia_weight_decay": sophia(betas=(0.8, 0.9), eps=0.2, weight_decay=0.1),
    "sophia_maximize": sophia(eps=0.1, weight_decay=0.05, maximize=True),
    "sophia_hessian": sophia(rho=0.3, eps=0.005, estimates=True),
    "sophia_hessian_betas": sophia(betas=(0.9, 0.5), rho=0.07, eps=0.01, weight_decay=0.1, estimates=True),
}
