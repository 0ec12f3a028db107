# SPDX-FileCopyrightText: 2026 The agmohd authors
# SPDX-License-Identifier: Apache-2.0
"""SGD as torch.optim has it."""

from scenario import scenario

SCENARIOS = {
    "sgd_plain": scenario("SGD", lr=0.1),
    "sgd_momentum": scenario("SGD", momentum=0.9),
    "sgd_dampening": scenario("SGD", momentum=0.9, dampening=0.3),
    "sgd_nesterov": scenario("SGD", momentum=0.8, nesterov=True),
    "sgd_weight_decay": scenario("SGD", momentum=0.9, weight_decay=0.1),
    "sgd_maximize": scenario("SGD", momentum=0.9, weight_decay=0.05, maximize=True),
}
