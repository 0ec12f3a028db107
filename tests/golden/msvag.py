# SPDX-FileCopyrightText: 2026 The agmohd authors
# SPDX-License-Identifier: Apache-2.0
"""M-SVAG (Balles & Hennig 2018, algorithm 1) as pytorch-optimizer 4.1.0 has it, but for its first step.

In the first step the variance is 0 and rho is 1. The package takes 0.9999 for rho and so multiplies the rounding of the
variance by 1e4, where float32 ends far from float64; here rho is 0 then, which is what exact arithmetic gives. It has
no weight decay.
"""

from pytorch_optimizer.optimizer.msvag import MSVAG
from scenario import per_tensor, scenario


class Exact(MSVAG):
    @staticmethod
    def get_rho(beta_power, beta):
        return 0.0 if beta_power == beta else MSVAG.get_rho(beta_power, beta)


def msvag(beta=0.9, **options):
    return scenario("MSVAG", peer=per_tensor(Exact), stated={"beta": beta}, lacks=("weight_decay",), **options)


SCENARIOS = {
    "msvag_default": msvag(lr=0.2),
    "msvag_beta": msvag(beta=0.6, lr=0.2),
    "msvag_maximize": msvag(beta=0.95, lr=0.2, maximize=True),
}
