# SPDX-FileCopyrightText: 2026 The agmohd authors
# SPDX-License-Identifier: Apache-2.0
"""Rprop as torch.optim has it: iRprop- of Igel & Huesken 2000, without the weight backtracking of Riedmiller & Braun.

The learning rate is the first step size of each element and nothing else. There is no weight decay. optax 0.2.8 does the
same, but does not bring a step size into its bounds before the first sign repeats or changes.
"""

from scenario import scenario


def rprop(**options):
    return scenario("Rprop", lacks=("weight_decay",), **options)


SCENARIOS = {
    "rprop_default": rprop(),
    "rprop_etas": rprop(etas=(0.25, 1.0625)),
    "rprop_step_sizes": rprop(step_sizes=(1e-3, 0.1)),
    "rprop_maximize": rprop(etas=(0.5, 1.125), step_sizes=(1e-5, 1.0), maximize=True),
}
