# SPDX-FileCopyrightText: 2026 The agmohd authors
# SPDX-License-Identifier: Apache-2.0
"""D-Adaptation for Adam (Defazio & Mishchenko 2023) as its authors' package dadaptation 3.2 has it.

The package refuses groups that differ in lr. It has no `maximize`.
"""

from dadaptation import DAdaptAdam
from scenario import scenario


class Peer:
    """With weight decay added to a gradient of its own."""

    ascends = False

    def __init__(self, groups, foreach, **options):
        self.optimizer = DAdaptAdam(groups, **options)
        self.param_groups, self.add_param_group = self.optimizer.param_groups, self.optimizer.add_param_group
        self.state = self.optimizer.state

    def step(self):
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    p.grad = -p.grad if self.ascends else p.grad.clone()
        self.optimizer.step()


class Ascending(Peer):
    ascends = True


def dadaptadam(**options):
    peer = Ascending if options.pop("maximize", False) else Peer
    extra = {"maximize": True} if peer is Ascending else {}
    return scenario("DAdaptAdam", peer=peer, extra=extra, one_rate=True, **options)


# Gradients of a slope without an end let d grow for ever: with lr = 1 beyond all bounds.
SCENARIOS = {
    "dadaptadam_default": dadaptadam(lr=0.03, d0=2e-2),
    "dadaptadam_betas_eps": dadaptadam(lr=0.1, betas=(0.8, 0.95), eps=1e-4, d0=0.05),
    "dadaptadam_bias_correction": dadaptadam(lr=0.3, use_bias_correction=True, d0=1e-2, growth_rate=1.03, maximize=True),
    "dadaptadam_weight_decay": dadaptadam(lr=0.05, weight_decay=0.1, decouple=True, d0=2e-2),
    "dadaptadam_l2": dadaptadam(lr=0.1, weight_decay=0.1, betas=(0.0, 0.99), d0=2e-2),
}
