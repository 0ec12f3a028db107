# SPDX-FileCopyrightText: 2026 The agmohd authors
# SPDX-License-Identifier: Apache-2.0
"""Gradient centralization (Yong et al. 2020, equation 1) as pytorch-optimizer 4.1.0's centralize_gradient has it.

The mean over all dimensions but the first is subtracted; vectors and scalars stay. conv_only: of four and more
dimensions only.
"""

import torch
from pytorch_optimizer import centralize_gradient
from scenario import scenario


def centralize(parameters, conv_only):
    before = [p.grad.clone() for p in parameters]
    for p in parameters:
        centralize_gradient(p.grad, gc_conv_only=conv_only)
    return float(torch.cat([(p.grad != g).flatten() for p, g in zip(parameters, before)]).double().mean())


def centralized(rule, conv_only, **options):
    extra = {"centralize_conv_only": conv_only}
    return scenario(f"Centralize+{rule}", transforms=((centralize, conv_only),), extra=extra, **options)


SCENARIOS = {
    "centralize_sgd": centralized("SGD", False, momentum=0.9),
    "centralize_conv_sgd": centralized("SGD", True, momentum=0.9),
    "centralize_adamw": centralized("AdamW", False, betas=(0.9, 0.99)),
}
