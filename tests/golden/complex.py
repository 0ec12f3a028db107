# SPDX-FileCopyrightText: 2026 The agmohd authors
# SPDX-License-Identifier: Apache-2.0
"""Rules of torch.optim on complex parameters, which it steps as pairs of real numbers, with complex states."""

import torch
from clip import clip_by_norm_torch
from scenario import per_tensor, scenario


def of_parts(recipe, **options):
    return scenario(recipe, is_complex=True, **options)


SCENARIOS = {
    "complex_sgd_nesterov": of_parts("SGD", momentum=0.9, nesterov=True, weight_decay=0.05),
    "complex_adam_amsgrad": of_parts("Adam", betas=(0.9, 0.95), amsgrad=True),
    "complex_adamw": of_parts("AdamW", weight_decay=0.2),
    "complex_adagrad_initial": of_parts(
        "Adagrad", peer=per_tensor(torch.optim.Adagrad), lr=0.05, initial_accumulator_value=0.1, eps=1e-3
    ),
    "complex_rmsprop_centered": of_parts("RMSprop", lr=0.002, centered=True, momentum=0.8),
    "complex_clip_norm_torch_adamw": of_parts(
        "ClipByNorm+AdamW", transforms=((clip_by_norm_torch, 1.5),), extra={"max_norm": 1.5}, betas=(0.9, 0.95)
    ),
}
