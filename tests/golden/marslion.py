# SPDX-FileCopyrightText: 2026 The agmohd authors
# SPDX-License-Identifier: Apache-2.0
"""MARS-Lion (Yuan et al. 2024, MARS-approx) as timm 1.0.31 has it, with optimize_1d; what differs is in mars.py.

timm's second beta does nothing here, and its exp_avg_sq stays 0.
"""

from mars import Peer
from scenario import per_tensor, scenario


class Lion(Peer):
    def __init__(self, tensors, beta1, **options):
        super().__init__(tensors, betas=(beta1, 0.99), mars_type="lion", **options)

    @property
    def state(self):
        return {p: {n: x for n, x in s.items() if n != "exp_avg_sq"} for p, s in self.optimizer.state.items()}


def marslion(beta1=0.95, gamma=0.025, weight_decay=0.0, **options):
    stated = {"beta1": beta1, "gamma": gamma, "weight_decay": weight_decay}
    return scenario("MARSLion", peer=per_tensor(Lion), stated=stated, **options)


SCENARIOS = {
    "marslion_default": marslion(),
    "marslion_beta1_gamma": marslion(beta1=0.8, gamma=0.2),
    "marslion_weight_decay": marslion(weight_decay=0.3),
    "marslion_maximize": marslion(beta1=0.9, weight_decay=0.1, maximize=True),
}
