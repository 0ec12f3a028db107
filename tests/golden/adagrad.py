# SPDX-FileCopyrightText: 2026 The agmohd authors
# SPDX-License-Identifier: Apache-2.0
"""Adagrad as torch.optim has it.

The learning rate of step t, counted from 1, is lr / (1 + (t - 1) lr_decay); eps is outside the root; weight decay is
L2. torch's Adagrad makes its state when it is constructed and fails on a group that joins later, so each tensor has an
optimizer of its own.
"""

import torch
from scenario import per_tensor, scenario


def adagrad(**options):
    return scenario("Adagrad", peer=per_tensor(torch.optim.Adagrad), **options)


SCENARIOS = {
    "adagrad_default": adagrad(),
    "adagrad_lr_decay": adagrad(lr=0.05, lr_decay=0.1),
    "adagrad_weight_decay": adagrad(weight_decay=0.1),
    "adagrad_initial_eps": adagrad(lr=0.05, initial_accumulator_value=0.1, eps=1e-3),
    "adagrad_maximize": adagrad(weight_decay=0.05, maximize=True),
}
