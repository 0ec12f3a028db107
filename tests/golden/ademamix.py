# SPDX-FileCopyrightText: 2026 The agmohd authors
# SPDX-License-Identifier: Apache-2.0
"""AdEMAMix (Pagliardini et al. 2024, algorithm 1) as pytorch-optimizer 4.1.0 has it, with weight_decouple.

- Weight decay is decoupled, as in the paper, the authors' code and optax 0.2.8; L2 by default in pytorch-optimizer.
- alpha and beta3 have the paper's schedulers; pytorch-optimizer has one length for both, t_alpha_beta3, stored as
  t_alpha and t_beta3. The authors' code for PyTorch adds 1e-8 to betas under their logarithms.
- alpha is 5 here, in optax and in the authors' code for it, 2 in theirs for PyTorch, so it is stated.

The third of its betas is stored as beta3.
"""

from pytorch_optimizer import AdEMAMix
from scenario import per_tensor, scenario


def make(tensors, betas, beta3=0.9999, t_alpha=0, t_beta3=0, **options):
    if t_alpha != t_beta3:
        raise ValueError("one length for both")
    return AdEMAMix(tensors, betas=(*betas, beta3), t_alpha_beta3=t_alpha or None, weight_decouple=True, **options)


def ademamix(betas=(0.9, 0.999), alpha=5.0, eps=1e-8, weight_decay=0.0, **options):
    stated = {"betas": betas, "alpha": alpha, "eps": eps, "weight_decay": weight_decay}
    return scenario("AdEMAMix", peer=per_tensor(make), stated=stated, **options)


SCENARIOS = {
    "ademamix_default": ademamix(),
    "ademamix_betas_alpha": ademamix(betas=(0.8, 0.95), beta3=0.99, alpha=2.0, eps=1e-4),
    "ademamix_schedulers": ademamix(beta3=0.999, alpha=8.0, t_alpha=150, t_beta3=150),
    "ademamix_short_schedulers": ademamix(beta3=0.99, t_alpha=40, t_beta3=40, weight_decay=0.1),
    "ademamix_maximize": ademamix(beta3=0.98, weight_decay=0.05, maximize=True),
}
