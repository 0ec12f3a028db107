# SPDX-FileCopyrightText: 2026 The agmohd authors
# SPDX-License-Identifier: Apache-2.0
"""Adafactor as torch.optim has it, which differs from Shazeer & Stern 2018 (algorithms 4 and 5):

- lr is the largest relative step, min(lr, 1 / sqrt(t)); in the paper that is 0.01.
- eps[0] bounds the estimate from below by eps[0]^2, and the mean over its rows by eps[0]; in the paper it is added to
  g^2. If it is not given it is the epsilon of the parameter's dtype: in adafactor_default float32 and float64 differ by
  more than rounding.
- Rows and columns hold means; in the paper, sums. Tensors of more than two dimensions are factored over the last two.
- Weight decay is decoupled and not scaled by the tensor's RMS: p <- p - lr weight_decay p, lr as given.
- The RMS of the parameter is taken before weight decay.

The empty tensor is left out: torch divides by its number of elements.
"""

from scenario import scenario

EMPTY = 4


def adafactor(eps=(1e-6, 1e-3), **options):
    return scenario("Adafactor", leaves_out=(EMPTY,), stated={"eps": eps}, **options)


SCENARIOS = {
    "adafactor_default": scenario("Adafactor", leaves_out=(EMPTY,), rounding=None),
    "adafactor_beta2_decay": adafactor(beta2_decay=-0.5),
    "adafactor_eps": adafactor(eps=(1e-3, 0.75)),
    "adafactor_d": adafactor(d=2.0),
    "adafactor_weight_decay": adafactor(lr=0.3, weight_decay=0.1),  # min(lr, 1 / sqrt(t)) is lr until step 11
    "adafactor_maximize": adafactor(maximize=True),
}
