# SPDX-FileCopyrightText: 2026 The agmohd authors
# SPDX-License-Identifier: Apache-2.0
"""ASGD as torch.optim has it: eta and mu of a step are those that the tensor's last step left, lr and 1 at first.

No parameter depends on t0, only the average `ax` does, so t0 is stated. eta and mu, which torch keeps in float32, are
kept in float64 here; both are functions of the step while the learning rate is constant.
"""

import torch
from scenario import double_scalars, scenario


def asgd(t0=1e6, **options):
    return scenario("ASGD", peer=double_scalars(torch.optim.ASGD, "eta", "mu"), stated={"t0": t0}, **options)


SCENARIOS = {
    "asgd_default": asgd(),
    "asgd_average": asgd(t0=20),
    "asgd_lambd_alpha": asgd(t0=1.5, lr=0.1, lambd=0.3, alpha=0.9),
    "asgd_weight_decay": asgd(t0=50, weight_decay=0.1),
    "asgd_maximize": asgd(t0=10, lambd=0.05, weight_decay=0.05, maximize=True),
}
