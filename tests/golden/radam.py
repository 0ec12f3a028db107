# SPDX-FileCopyrightText: 2026 The agmohd authors
# SPDX-License-Identifier: Apache-2.0
"""RAdam (Liu et al. 2020, algorithm 2) as torch.optim has it.

The rectified step is taken where rho_t > 5; the paper's algorithm has 4, its authors' code 5. eps is added to the root
of the uncorrected second moment, as in the authors' code; optax 0.2.8 adds it to the corrected one. With beta2 = 0.5
rho_t stays below 5, and the step is that of the first moment alone.
"""

from scenario import scenario

SCENARIOS = {
    "radam_default": scenario("RAdam"),
    "radam_betas_eps": scenario("RAdam", betas=(0.8, 0.95), eps=1e-3),
    "radam_not_rectified": scenario("RAdam", betas=(0.9, 0.5)),
    "radam_weight_decay": scenario("RAdam", weight_decay=0.1),
    "radam_decoupled": scenario("RAdam", weight_decay=0.1, decoupled_weight_decay=True),
    "radam_maximize": scenario("RAdam", weight_decay=0.05, maximize=True),
}
