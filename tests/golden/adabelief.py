# SPDX-FileCopyrightText: 2026 The agmohd authors
# SPDX-License-Identifier: Apache-2.0
"""AdaBelief (Zhuang et al. 2020, algorithm 2) as pytorch-optimizer 4.1.0 has it, without rectification.

Published versions disagree; the paper is taken:

- eps joins the variance for good in every step, and the corrected root once more, as in the paper's main text, here, in
  adabelief-pytorch and timm 1.0.31; optax 0.2.8 has two epsilons, eps_root for the former.
- Weight decay is decoupled, the default here, in adabelief-pytorch and timm.
- adabelief-pytorch and timm rectify as RAdam by default, which is another algorithm.

ams_bound, as pytorch-optimizer calls it, is stored as amsgrad. It has the largest exp_avg_var with its eps.
"""

from pytorch_optimizer import AdaBelief
from scenario import per_tensor, scenario


def make(tensors, amsgrad=False, **options):
    return AdaBelief(tensors, ams_bound=amsgrad, **options)


def adabelief(betas=(0.9, 0.999), eps=1e-16, weight_decay=0.0, **options):
    stated = {"betas": betas, "eps": eps, "weight_decay": weight_decay}
    return scenario("AdaBelief", peer=per_tensor(make), stated=stated, **options)


SCENARIOS = {
    "adabelief_default": adabelief(),
    "adabelief_betas_eps": adabelief(betas=(0.8, 0.95), eps=1e-6),
    "adabelief_weight_decay": adabelief(weight_decay=0.1),
    "adabelief_amsgrad": adabelief(betas=(0.9, 0.9), amsgrad=True),
    "adabelief_maximize": adabelief(weight_decay=0.05, maximize=True),
}
