# SPDX-FileCopyrightText: 2026 The agmohd authors
# SPDX-License-Identifier: Apache-2.0
"""Averages of the parameters, by torch.optim.swa_utils.AveragedModel after every step, or after some.

EMA is average <- decay average + (1 - decay) p; SWA is the mean of what was averaged (Izmailov et al. 2018).

- The first average is the parameters after that step, as in torch; timm 1.0.31 begins with those before it.
- All tensors of the model are averaged, whether or not they had a gradient; so is the late group before it joins, whose
  average is then the parameter itself.
- The mean is that of avg_fn; torch's multi_avg_fn rounds 1 / (n + 1) to float32 for parameters of any dtype.

average_1, average_10 and average_100 are stored beside the parameters, where the averages have begun.
"""

import torch
from scenario import scenario
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn, get_swa_avg_fn


class Averages:
    def __init__(self, parameters, start, every, **average):
        self.start, self.every = start, every
        self.model = torch.nn.ParameterList(parameters)
        self.averaged = AveragedModel(self.model, **average)

    def update(self, steps):
        if steps > self.start and (steps - self.start) % self.every == 0:
            self.averaged.update_parameters(self.model)

    def tensors(self):
        return list(self.averaged.module.parameters()) if self.averaged.n_averaged > 0 else []


def ema(rule, decay, **options):
    def averages(parameters):
        return Averages(parameters, 0, 1, multi_avg_fn=get_ema_multi_avg_fn(decay))

    return scenario(f"EMA+{rule}", averages=averages, extra={"ema_decay": decay}, **options)


def swa(rule, start, every, **options):
    """After `start` steps, the mean of the parameters after every so many."""

    def averages(parameters):
        return Averages(parameters, start, every, avg_fn=get_swa_avg_fn())

    return scenario(f"SWA+{rule}", averages=averages, extra={"swa_start": start, "swa_every": every}, **options)


SCENARIOS = {
    "ema_sgd": ema("SGD", 0.9, momentum=0.9),
    "ema_adamw": ema("AdamW", 0.99, weight_decay=0.1),
    "ema_swa_sgd": swa("SGD", 50, 5, momentum=0.9),
}
