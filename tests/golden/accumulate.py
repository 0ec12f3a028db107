# SPDX-FileCopyrightText: 2026 The agmohd authors
# SPDX-License-Identifier: Apache-2.0
"""Gradient accumulation as programs write it around torch.optim: gradients are added in `.grad`, and every k-th call
divides by k and steps. A parameter without a gradient in a call adds nothing; one without any in a window rests.
"""

import torch
from scenario import scenario


def accumulated(rule, steps, mean=True):
    """A peer that steps in every `steps`-th call."""

    class Accumulated:
        def __init__(self, groups, **options):
            self.optimizer, self.calls, self.sums = rule(groups, **options), 0, {}

        @property
        def state(self):
            return self.optimizer.state

        def add_param_group(self, group):
            self.optimizer.add_param_group(group)

        def step(self):
            parameters = [p for group in self.optimizer.param_groups for p in group["params"]]
            for p in parameters:
                if p.grad is not None:
                    self.sums[p] = self.sums[p] + p.grad if p in self.sums else p.grad.clone()
            self.calls += 1
            if self.calls < steps:
                return
            for p in parameters:
                p.grad = self.sums[p] / (steps if mean else 1) if p in self.sums else None
            self.optimizer.step()
            self.calls, self.sums = 0, {}

    return Accumulated


def of(recipe, rule, steps, mean=True, **options):
    extra = {"accumulation_steps": steps, "accumulate_mean": mean}
    return scenario(recipe, peer=accumulated(rule, steps, mean), extra=extra, window=steps, **options)


SCENARIOS = {
    "accumulate_adamw": of("Accumulate+AdamW", torch.optim.AdamW, 4, weight_decay=0.1, betas=(0.8, 0.95)),
    "accumulate_odd_adamw": of("Accumulate+AdamW", torch.optim.AdamW, 3, lr=0.03),
    "accumulate_sum_sgd": of("Accumulate+SGD", torch.optim.SGD, 5, mean=False, momentum=0.9, lr=0.01),
}
