# SPDX-FileCopyrightText: 2026 The agmohd authors
# SPDX-License-Identifier: Apache-2.0
"""Adamax (Kingma & Ba 2015, algorithm 2) as torch.optim has it; weight decay is L2.

eps is added to the gradient's magnitude before the maximum is taken, as in optax 0.2.8; the paper has no eps.
"""

from scenario import scenario

SCENARIOS = {
    "adamax_default": scenario("Adamax"),
    "adamax_betas": scenario("Adamax", betas=(0.8, 0.95)),
    "adamax_eps": scenario("Adamax", betas=(0.9, 0.9), eps=1e-2),
    "adamax_weight_decay": scenario("Adamax", weight_decay=0.1),
    "adamax_maximize": scenario("Adamax", weight_decay=0.05, maximize=True),
}
