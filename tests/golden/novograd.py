# SPDX-FileCopyrightText: 2026 The agmohd authors
# SPDX-License-Identifier: Apache-2.0
"""NovoGrad (Ginsburg et al. 2019, algorithm 1) as pytorch-optimizer 4.1.0 has it.

exp_avg_sq is one number a tensor: ||g_1||^2 at first, so the first moment begins as g_1 / (||g_1|| + eps) + wd p.
Published versions disagree:

- Betas are (0.95, 0.98) in the paper's last version, here and in timm 1.0.31; optax 0.2.8 has (0.9, 0.25), the first
  version's. So all defaults are stated.
- timm begins anew while exp_avg_sq is 0 and holds it in float32 whatever the parameter is; optax begins by the
  optimizer's count, not the tensor's.
- With grad_averaging the new term is multiplied by 1 - beta1; pytorch-optimizer leaves the first one whole, as the
  paper's initialisation has it, timm does not.
- Weight decay is within the moment, as in the paper; timm and pytorch-optimizer have decoupled decay as an option.

Its names moments and grads_ema are stored as exp_avg and exp_avg_sq.
"""

from pytorch_optimizer import NovoGrad
from scenario import per_tensor, scenario

NAMES = {"moments": "exp_avg", "grads_ema": "exp_avg_sq"}


def novograd(betas=(0.95, 0.98), eps=1e-8, weight_decay=0.0, **options):
    stated = {"betas": betas, "eps": eps, "weight_decay": weight_decay}
    return scenario("NovoGrad", peer=per_tensor(NovoGrad, NAMES), stated=stated, **options)


SCENARIOS = {
    "novograd_default": novograd(),
    "novograd_betas_eps": novograd(betas=(0.8, 0.25), eps=1e-2),
    "novograd_weight_decay": novograd(weight_decay=0.1),
    "novograd_grad_averaging": novograd(lr=0.05, weight_decay=0.01, grad_averaging=True),
    "novograd_maximize": novograd(weight_decay=0.05, maximize=True),
}
