# SPDX-FileCopyrightText: 2026 The agmohd authors
# SPDX-License-Identifier: Apache-2.0
"""OrthoGrad (Prieto et al. 2025) as pytorch-optimizer 4.1.0's wrapper of that name changes gradients.

Of each tensor's gradient the part along the parameter is removed, and its norm is given back. The gradient of the
tensor of one element has no other part, and becomes zero.
"""

import torch
from clip import clip_by_norm
from pytorch_optimizer import OrthoGrad
from scenario import scenario


def orthogonal(parameters, unused):
    before = [p.grad.clone() for p in parameters]
    OrthoGrad(torch.optim.SGD(parameters)).apply_orthogonal_gradients(parameters)
    turned = torch.cat([((p.grad - g).abs() > 0.5 * g.abs()).flatten() for p, g in zip(parameters, before)])
    return float(turned.double().mean())


SCENARIOS = {
    "orthogonal_sgd": scenario("Orthogonal+SGD", transforms=((orthogonal, None),), momentum=0.9),
    "orthogonal_adamw": scenario("Orthogonal+AdamW", transforms=((orthogonal, None),), betas=(0.9, 0.99)),
    "orthogonal_clip_adamw": scenario(
        "Orthogonal+ClipByNorm+AdamW",
        transforms=((orthogonal, None), (clip_by_norm, 1.0)),
        extra={"max_norm": 1.0},
        betas=(0.9, 0.95),
    ),
}
