# SPDX-FileCopyrightText: 2026 The agmohd authors
# SPDX-License-Identifier: Apache-2.0
"""GrokFast-EMA (Lee et al. 2024, algorithm 2) as pytorch-optimizer 4.1.0 has it: gradfilter_ema before an optimizer of
torch, and GrokFastAdamW.

Both begin the mean with the first gradient, as the authors' gradfilter_ema. GrokFastAdamW takes max(root, eps) where
torch's AdamW adds eps, so its eps is next to none here; its division of lr by 1 + lamb is off.
"""

import torch
from pytorch_optimizer.optimizer.grokfast import GrokFastAdamW, gradfilter_ema
from scenario import per_tensor, scenario


def before(make):
    """An optimizer of one tensor, with the filter in front."""

    class Filtered:
        def __init__(self, tensors, grokfast_alpha=0.98, grokfast_lamb=2.0, **options):
            self.model, self.means = torch.nn.Module(), None
            (self.model.p,) = tensors
            self.optimizer = make(tensors, **options)
            self.filter = {"alpha": grokfast_alpha, "lamb": grokfast_lamb}

        def step(self):
            self.means = gradfilter_ema(self.model, self.means, **self.filter)
            self.optimizer.step()

        @property
        def state(self):
            p = self.model.p
            return {p: {**self.optimizer.state[p], "grok_exp_avg": self.means["p"]}} if self.means else {}

    return per_tensor(Filtered)


def adamw(tensors, **options):
    return GrokFastAdamW(tensors, normalize_lr=False, **options)


def grokfast(rule, grokfast_alpha=0.98, grokfast_lamb=2.0, **options):
    stated = {"grokfast_alpha": grokfast_alpha, "grokfast_lamb": grokfast_lamb, **options.pop("stated", {})}
    peer = options.pop("peer", None) or before(getattr(torch.optim, rule))
    return scenario(f"GrokFast<{rule}>", peer=peer, stated=stated, **options)


SCENARIOS = {
    "grokfast_sgd": grokfast("SGD", grokfast_lamb=0.5, momentum=0.9),
    "grokfast_adamw": grokfast("AdamW", betas=(0.9, 0.95)),
    "grokfast_adamw_maximize": grokfast("AdamW", grokfast_alpha=0.8, grokfast_lamb=5.0, maximize=True, amsgrad=True),
    "grokfast_adamw_published": grokfast(
        "AdamW", peer=per_tensor(adamw), stated={"betas": (0.9, 0.99), "eps": 1e-30, "weight_decay": 0.0}
    ),
}
