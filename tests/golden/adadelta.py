# SPDX-FileCopyrightText: 2026 The agmohd authors
# SPDX-License-Identifier: Apache-2.0
"""Adadelta (Zeiler 2012, algorithm 1) as torch.optim has it: eps within both roots, a learning rate of 1 by default.

Weight decay is L2, as in optax 0.2.8. The paper has no learning rate, Keras one of 1e-3 by default.
"""

from scenario import scenario

SCENARIOS = {
    "adadelta_default": scenario("Adadelta", lr=1.0),
    "adadelta_rho": scenario("Adadelta", lr=1.0, rho=0.98),
    "adadelta_eps": scenario("Adadelta", lr=0.5, rho=0.95, eps=1e-4),
    "adadelta_weight_decay": scenario("Adadelta", lr=1.0, weight_decay=0.1),
    "adadelta_maximize": scenario("Adadelta", lr=1.0, weight_decay=0.05, maximize=True),
}
