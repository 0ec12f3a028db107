# SPDX-FileCopyrightText: 2026 The agmohd authors
# SPDX-License-Identifier: Apache-2.0
"""LaProp (Ziyin et al. 2020, algorithm 1) as timm 1.0.31 has it.

Published versions disagree; timm agrees with the paper's algorithm:

- eps is added to the corrected root. pytorch-optimizer 4.1.0 divides sqrt(v + 1e-15) + eps by the correction.
- All keep the learning rate within exp_avg and correct by a mean of the rates, as the authors' code does; at a constant
  rate this is the paper's. exp_avg is stored divided by the rate of its tensor.
- Weight decay acts after the step and is multiplied with the rate, as in pytorch-optimizer; in the authors' laprop.py
  it is not multiplied.

timm holds the correction in torch's default dtype, which is float64 here, and has no `maximize`.
"""

import torch
from scenario import per_tensor, scenario
from timm.optim.laprop import LaProp


class Peer(per_tensor(LaProp)):
    def step(self):
        torch.set_default_dtype(torch.float64)  # of timm's bias correction
        super().step()
        torch.set_default_dtype(torch.float32)

    @property
    def state(self):
        def own(optimizer, state):
            lr = optimizer.param_groups[0]["lr"]
            return {"step": state["step"], "exp_avg": state["exp_avg"] / lr, "exp_avg_sq": state["exp_avg_sq"]}

        return {p: own(o, o.state[p]) if p in o.state else {} for p, o in self.optimizers.items()}


def laprop(betas=(0.9, 0.999), eps=1e-15, weight_decay=0.0, **options):
    stated = {"betas": betas, "eps": eps, "weight_decay": weight_decay}
    return scenario("LaProp", peer=Peer, stated=stated, **options)


SCENARIOS = {
    "laprop_default": laprop(),
    "laprop_betas": laprop(betas=(0.95, 0.6)),
    "laprop_eps": laprop(eps=1e-2),
    "laprop_weight_decay": laprop(betas=(0.8, 0.95), weight_decay=0.3),
}
