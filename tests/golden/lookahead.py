# SPDX-FileCopyrightText: 2026 The agmohd authors
# SPDX-License-Identifier: Apache-2.0
"""Lookahead (Zhang et al. 2019, algorithm 1) as pytorch-optimizer 4.1.0 has it.

After every lookahead_steps steps, slow <- slow + lookahead_alpha (p - slow) and p <- slow; slow begins as the
parameters before the first step. Then the momentum buffer stays (keep), becomes 0 (reset), or is interpolated with its
own slow copy, which begins as 0 (interpolate); pytorch-optimizer calls them none, reset and pullback.

- timm 1.0.31 begins its slow weights at the first synchronisation, which therefore changes nothing; here the paper
  decides.
- pytorch-optimizer skips tensors that have no gradient in the step that synchronises; the paper knows no such tensors.
  Here they take part: the weights of a model are interpolated together.
- lookahead_ranger is RAdam within Lookahead (Ranger), and torch's EMA of the parameters after every step of Lookahead.
- It counts steps by group. The late group joins after a synchronisation, so a count of the optimizer's is the same.
"""

import torch
from ema import Averages
from pytorch_optimizer import Lookahead
from scenario import JOIN_AFTER, renamed, scenario
from torch.optim.swa_utils import get_ema_multi_avg_fn

MOMENTUM = {"keep": "none", "reset": "reset", "interpolate": "pullback"}


def all_take_part(optimizer, *_):
    for group in optimizer.param_groups:
        for p in group["params"]:
            if p.grad is None:
                p.grad = torch.zeros_like(p)


def lookahead(rule, steps, alpha, momentum_policy="keep", averages=None, **options):
    assert JOIN_AFTER % steps == 0

    class Peer:
        def __init__(self, groups, **rest):
            self.inner = getattr(torch.optim, rule)(groups, **rest)
            self.inner.register_step_post_hook(all_take_part)
            self.outer = Lookahead(self.inner, k=steps, alpha=alpha, pullback_momentum=MOMENTUM[momentum_policy])
            self.add_param_group, self.step = self.outer.add_param_group, self.outer.step

        @property
        def state(self):
            names = {"slow_params": "slow", "slow_momentum": "slow_momentum_buffer"}
            return {p: {**self.inner.state[p], **renamed(slow, names)} for p, slow in self.outer.state.items()}

    extra = {"lookahead_steps": steps, "lookahead_alpha": alpha, "lookahead_momentum": momentum_policy}
    return scenario(f"Lookahead+{rule}", peer=Peer, averages=averages, extra=extra, **options)


SCENARIOS = {
    "lookahead_sgd": lookahead("SGD", 5, 0.5, momentum=0.9),
    "lookahead_adamw": lookahead("AdamW", 10, 0.8, weight_decay=0.1),
    "lookahead_ranger": lookahead(
        "RAdam", 5, 0.5, averages=lambda p: Averages(p, 0, 1, multi_avg_fn=get_ema_multi_avg_fn(0.9)), weight_decay=0.1
    ),
    "lookahead_reset_sgd": lookahead("SGD", 5, 0.5, "reset", momentum=0.9),
    "lookahead_interpolate_sgd": lookahead("SGD", 5, 0.8, "interpolate", momentum=0.9),
}
