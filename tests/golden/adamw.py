# SPDX-FileCopyrightText: 2026 The agmohd authors
# SPDX-License-Identifier: Apache-2.0
"""AdamW as torch.optim has it."""

from scenario import scenario

SCENARIOS = {
    "adamw_default": scenario("AdamW"),
    "adamw_betas": scenario("AdamW", betas=(0.8, 0.95)),
    "adamw_weight_decay": scenario("AdamW", weight_decay=0.1),
    "adamw_amsgrad": scenario("AdamW", betas=(0.9, 0.95), amsgrad=True),
    "adamw_maximize": scenario("AdamW", weight_decay=0.1, maximize=True),
}
