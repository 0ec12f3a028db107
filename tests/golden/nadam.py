# SPDX-FileCopyrightText: 2026 The agmohd authors
# SPDX-License-Identifier: Apache-2.0
"""NAdam (Dozat 2016, algorithm 2) as torch.optim has it.

The momentum of step t is mu_t = beta1 (1 - 0.96^(t momentum_decay) / 2), the first moment decays with beta1 itself, and
eps is outside the corrected root. In the paper the moment decays with mu_t, and the corrected second moment has a
factor beta2; optax 0.2.8 has a constant momentum.
mu_product, which torch keeps in float32, is kept in float64 here.
"""

import torch
from scenario import double_scalars, scenario


def nadam(**options):
    return scenario("NAdam", peer=double_scalars(torch.optim.NAdam, "mu_product"), **options)


SCENARIOS = {
    "nadam_default": nadam(),
    "nadam_betas_eps": nadam(betas=(0.8, 0.95), eps=1e-3),
    "nadam_momentum_decay": nadam(momentum_decay=0.5),
    "nadam_weight_decay": nadam(weight_decay=0.1),
    "nadam_decoupled": nadam(weight_decay=0.1, decoupled_weight_decay=True),
    "nadam_maximize": nadam(weight_decay=0.05, maximize=True),
}
