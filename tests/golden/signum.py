# SPDX-FileCopyrightText: 2026 The agmohd authors
# SPDX-License-Identifier: Apache-2.0
"""Signum (Bernstein et al. 2018, algorithm 2) as pytorch-optimizer 4.1.0's SignSGD has it.

Without momentum it is signSGD, algorithm 1, and has no state. Weight decay is decoupled, as MXNet's Signum has it in
wd_lh; in Signum_pytorch it is L2, in pytorch-optimizer that is an option.
"""

from pytorch_optimizer import SignSGD
from scenario import per_tensor, scenario


def signum(momentum=0.9, weight_decay=0.0, **options):
    stated = {"momentum": momentum, "weight_decay": weight_decay}
    return scenario("Signum", peer=per_tensor(SignSGD), stated=stated, **options)


SCENARIOS = {
    "signum_default": signum(),
    "signum_momentum": signum(momentum=0.99, lr=0.02),
    "signum_no_momentum": signum(momentum=0.0),
    "signum_weight_decay": signum(weight_decay=0.3),
    "signum_maximize": signum(momentum=0.5, weight_decay=0.1, maximize=True),
}
