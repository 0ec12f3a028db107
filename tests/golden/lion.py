# SPDX-FileCopyrightText: 2026 The agmohd authors
# SPDX-License-Identifier: Apache-2.0
"""Lion (Chen et al. 2023, algorithm 2) as pytorch-optimizer 4.1.0 has it; weight decay is decoupled.

lion-pytorch 0.2.5, timm 1.0.31 and optax 0.2.8 do the same. They decay the parameter before the sign is subtracted
(p (1 - lr wd) - lr u), the paper within the update (p - lr (u + wd p)): equal but for rounding. Defaults differ
(weight decay 0 here and in lion-pytorch and timm, 1e-3 in optax), so all are stated.
"""

from pytorch_optimizer import Lion
from scenario import per_tensor, scenario


def lion(betas=(0.9, 0.99), weight_decay=0.0, **options):
    return scenario("Lion", peer=per_tensor(Lion), stated={"betas": betas, "weight_decay": weight_decay}, **options)


SCENARIOS = {
    "lion_default": lion(),
    "lion_betas": lion(betas=(0.95, 0.8)),
    "lion_weight_decay": lion(weight_decay=0.3),
    "lion_maximize": lion(weight_decay=0.1, maximize=True),
}
