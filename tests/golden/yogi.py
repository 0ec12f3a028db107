# SPDX-FileCopyrightText: 2026 The agmohd authors
# SPDX-License-Identifier: Apache-2.0
"""Yogi (Zaheer et al. 2018, algorithm 2) as pytorch-optimizer 4.1.0 has it; weight decay is decoupled.

The paper's algorithm leaves out Adam's bias corrections; pytorch-optimizer, optax 0.2.8 and torch-optimizer 0.3.0 have
them, and begin both moments with initial_accumulator. torch-optimizer has L2 weight decay; in pytorch-optimizer that is
an option. initial_accumulator is stored by PyTorch's name, initial_accumulator_value.
"""

from pytorch_optimizer import Yogi
from scenario import per_tensor, scenario


def make(tensors, initial_accumulator_value=1e-6, **options):
    return Yogi(tensors, initial_accumulator=initial_accumulator_value, **options)


def yogi(betas=(0.9, 0.999), eps=1e-3, weight_decay=0.0, **options):
    stated = {"betas": betas, "eps": eps, "weight_decay": weight_decay}
    return scenario("Yogi", peer=per_tensor(make), stated=stated, **options)


SCENARIOS = {
    "yogi_default": yogi(),
    "yogi_betas_eps": yogi(betas=(0.8, 0.95), eps=1e-5),
    "yogi_initial_accumulator": yogi(initial_accumulator_value=0.1),
    "yogi_weight_decay": yogi(weight_decay=0.1),
    "yogi_maximize": yogi(weight_decay=0.05, maximize=True),
}
