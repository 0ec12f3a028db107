# SPDX-FileCopyrightText: 2026 The agmohd authors
# SPDX-License-Identifier: Apache-2.0
"""Averages of the parameters, by torch.optim.swa_utils.AveragedModel after every step, or after some.

EMA is average <- decay average + (1 - decay) p; SWA is the mean of what was averaged (Izmailov et al. 2018).

- The first average is the parameters after that step, as in torch; timm 1.0.31 begins with those before it.
- All tensors of the model are averaged, whether or not they had a gradient; so is the late group before it joins, whose
  average is then the parameter itself.
- With a warm-up it is EMAModel of diffusers 0.35.2: the decay of average number n + 1 is min(decay, (1 + n) / (10 + n)), or
  min(decay, 1 - (1 + n / inv_gamma)^-power). timm 1.0.31 has the second; the first average of both is the parameters.
- The mean is that of avg_fn; torch's multi_avg_fn rounds 1 / (n + 1) to float32 for parameters of any dtype.

average_1, average_10 and average_100 are stored beside the parameters, where the averages have begun.
"""

import torch
from diffusers.training_utils import EMAModel
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


def warm_ema(rule, decay, warmup, **options):
    """inv_gamma and power are in `warmup` if it is of that kind."""

    class Warm:
        def __init__(self, parameters):
            self.parameters = parameters
            self.averaged = EMAModel(parameters, decay=decay, use_ema_warmup="power" in warmup, **warmup)

        def update(self, steps):
            self.averaged.step(self.parameters)

        def tensors(self):
            return self.averaged.shadow_params

    extra = {"ema_decay": decay, **{f"ema_{name}": value for name, value in warmup.items()}}
    return scenario(f"EMA+{rule}", averages=Warm, extra=extra, **options)


def swa(rule, start, every, **options):
    """After `start` steps, the mean of the parameters after every so many."""

    def averages(parameters):
        return Averages(parameters, start, every, avg_fn=get_swa_avg_fn())

    return scenario(f"SWA+{rule}", averages=averages, extra={"swa_start": start, "swa_every": every}, **options)


SCENARIOS = {
    "ema_sgd": ema("SGD", 0.9, momentum=0.9),
    "ema_adamw": ema("AdamW", 0.99, weight_decay=0.1),
    "ema_ratio_sgd": warm_ema("SGD", 0.9, {}, momentum=0.9),
    "ema_power_adamw": warm_ema("AdamW", 0.98, {"inv_gamma": 2.0, "power": 0.75}, weight_decay=0.1),
    "ema_swa_sgd": swa("SGD", 50, 5, momentum=0.9),
}
