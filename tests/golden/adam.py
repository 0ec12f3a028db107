# SPDX-FileCopyrightText: 2026 The agmohd authors
# SPDX-License-Identifier: Apache-2.0
"""Adam as torch.optim has it."""

from scenario import scenario

SCENARIOS = {
    "adam_default": scenario("Adam"),
    "adam_betas_eps": scenario("Adam", betas=(0.8, 0.95), eps=1e-3),
    "adam_weight_decay": scenario("Adam", weight_decay=0.1),
    "adam_amsgrad": scenario("Adam", betas=(0.9, 0.95), amsgrad=True),
    "adam_maximize": scenario("Adam", weight_decay=0.05, maximize=True),
}
