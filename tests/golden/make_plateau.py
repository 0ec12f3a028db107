# SPDX-FileCopyrightText: 2026 The agmohd authors
# SPDX-License-Identifier: Apache-2.0
"""Writes plateau.txt: what torch.optim's ReduceLROnPlateau makes of a rate of 1.

A line: patience, factor, cooldown, threshold, 1 if that is absolute, min_lr, then losses, each
followed by the rate after it. Made with PyTorch 2.11.0: python make_plateau.py > plateau.txt
"""

import random

import torch
from torch.optim.lr_scheduler import ReduceLROnPlateau

SETTINGS = [
    (10, 0.1, 0, 1e-4, False, 0.0),  # the defaults
    (2, 0.5, 1, 1e-4, False, 0.1),
    (0, 0.9, 0, 0.0, False, 0.0),
    (1, 0.5, 3, 0.05, False, 0.01),
    (3, 0.25, 2, 0.02, True, 0.0),
    (5, 0.7, 0, 0.01, True, 0.3),
]


def main():
    numbers = random.Random(7)
    for patience, factor, cooldown, threshold, absolute, least in SETTINGS:
        optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
        schedule = ReduceLROnPlateau(
            optimizer,
            factor=factor,
            patience=patience,
            threshold=threshold,
            threshold_mode="abs" if absolute else "rel",
            cooldown=cooldown,
            min_lr=least,
            eps=0,
        )
        line = [patience, factor, cooldown, threshold, int(absolute), least]
        for step in range(80):
            loss = round(2 * 0.97 ** min(step, 30) + numbers.uniform(-0.1, 0.1), 4)
            schedule.step(loss)
            line += [loss, optimizer.param_groups[0]["lr"]]
        print(*line)


main()
