# SPDX-FileCopyrightText: 2026 The agmohd authors
# SPDX-License-Identifier: Apache-2.0
"""SAM (Foret et al. 2021) and ASAM (Kwon et al. 2021) as pytorch-optimizer 4.1.0 has them.

The gradient has to depend on the parameters: at p it is the stored one plus sam_curvature p. A step is

    p <- p + e,  e = rho T^2 g / (norm(T g) + 1e-12),  T = 1, or abs(p) for ASAM;  the gradient anew;  p back, step

- Tensors that have no gradient in a step have none in both passes, and are not in the norm.
- pytorch-optimizer takes the norm in float32, of float64 gradients, too; agmohd in float64.
- ASAM of the paper has abs(p) + eta; both packages, pytorch-optimizer and davda54/sam, have no eta.
"""

import torch
from pytorch_optimizer import SAM
from scenario import scenario


def sam(rule, rho, curvature, adaptive=False, **options):
    class Peer:
        def __init__(self, groups, **rest):
            self.outer = SAM(groups, getattr(torch.optim, rule), rho=rho, adaptive=adaptive, **rest)

        def add_param_group(self, group):
            self.outer.base_optimizer.add_param_group({**group, "rho": rho, "adaptive": adaptive})

        def step(self):
            here = [p for group in self.outer.param_groups for p in group["params"] if p.grad is not None]
            given = [p.grad for p in here]

            def differentiate():
                for p, gradient in zip(here, given):
                    p.grad = gradient + curvature * p.detach()

            differentiate()
            self.outer.first_step()
            differentiate()
            self.outer.second_step()

        @property
        def state(self):
            return self.outer.base_optimizer.state

    extra = {"sam_rho": rho, "sam_adaptive": adaptive, "sam_curvature": curvature}
    return scenario(f"SAM+{rule}", peer=Peer, extra=extra, **options)


SCENARIOS = {
    "sam_sgd": sam("SGD", 0.5, 2.0, momentum=0.9),
    "sam_adamw": sam("AdamW", 0.5, 0.25, weight_decay=0.1),
    "sam_adaptive_sgd": sam("SGD", 1.0, 2.0, adaptive=True, momentum=0.9),
}
