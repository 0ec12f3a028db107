# SPDX-FileCopyrightText: 2026 The agmohd authors
# SPDX-License-Identifier: Apache-2.0
"""Adam-mini (Zhang et al. 2024, algorithm 1) as the authors' package adam-mini 1.1.1 has it, with rows as blocks.

The package finds blocks by names: `mlp` has a block for each row of a matrix, a name that it does not know one for the
tensor. Here every tensor of two or more dimensions is such a matrix, of its first dimension and the others, and every
other one has a name of the latter kind. pytorch-optimizer 4.1.0 has blocks of heads and of whole tensors only, and its
second moments are float32 whatever the parameter is: the whole tensors of float32 runs are compared with it, too.

Its names m and vmean are stored as exp_avg and exp_avg_sq_row, vmean in the shape that agmohd gives it. It has no
`maximize`. The empty tensor is left out: its mean is NaN.
"""

import torch
from adam_mini import Adam_mini
from pytorch_optimizer import AdamMini
from scenario import per_tensor, scenario

EMPTY = 4


class AsMatrix:
    """Adam_mini of one parameter, as a matrix where it has several dimensions."""

    def __init__(self, tensors, lr, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, foreach=False):
        (self.parameter,) = tensors
        options = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay}
        self.matrix = torch.nn.Parameter(self.shaped(self.parameter.detach()).clone())
        name = "mlp" if self.parameter.dim() > 1 else "other"
        self.optimizer = Adam_mini([(name, self.matrix)], verbose=False, **options)
        self.check = None
        if name == "other" and self.parameter.dtype == torch.float32:
            module = torch.nn.Module()
            module.other = torch.nn.Parameter(self.matrix.detach().clone())
            decay = options.pop("weight_decay")
            self.check = AdamMini(module, weight_decay=decay, **options), module.other

    def shaped(self, x):
        return x.flatten(1) if x.dim() > 1 else x

    def step(self):
        self.matrix.grad = self.shaped(self.parameter.grad).clone()
        self.optimizer.step()
        self.parameter.detach().copy_(self.matrix.detach().reshape(self.parameter.shape))
        if self.check:
            other, p = self.check
            p.grad = self.parameter.grad.clone()
            other.step()
            assert torch.allclose(p, self.matrix, rtol=1e-5, atol=1e-7)

    @property
    def state(self):
        state = self.optimizer.state[self.matrix]
        if not state:
            return {}
        shape, ones = self.parameter.shape, [1] * self.parameter.dim()
        rows = [shape[0], *ones[1:]] if len(shape) > 1 else ones
        m, v = state["m"].reshape(shape), state["vmean"].reshape(rows)
        return {self.parameter: {"step": state["step"], "exp_avg": m, "exp_avg_sq_row": v}}


def adammini(**options):
    return scenario("AdamMini", peer=per_tensor(AsMatrix), leaves_out=(EMPTY,), **options)


SCENARIOS = {
    "adammini_default": adammini(),
    "adammini_betas_eps": adammini(betas=(0.8, 0.95), eps=1e-2),
    "adammini_weight_decay": adammini(weight_decay=0.1),
}
