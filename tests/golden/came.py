# SPDX-FileCopyrightText: 2026 The agmohd authors
# SPDX-License-Identifier: Apache-2.0
"""CAME (Luo et al. 2023, algorithm 2) as pytorch-optimizer 4.1.0 has it, which follows the authors' came_pytorch.

- Rows and columns hold means; in the paper, sums.
- Vectors and scalars have the clipped and averaged update without confidence, as in the authors' code.
- Weight decay is decoupled and not scaled by the tensor's RMS.
- The option ams_bound is not in the paper, and not here.

Its options eps1 and eps2 are the pair eps here, as in the authors' code, and the third of its betas is beta3. Averages
are stored with the dimension that they are means over. The empty tensor is left out: its RMS is NaN.
"""

from pytorch_optimizer import CAME
from scenario import per_tensor, scenario

EMPTY = 4


class Named:
    """CAME with agmohd's names of options and states."""

    def __init__(self, tensors, betas=(0.9, 0.999), beta3=0.9999, eps=(1e-30, 1e-16), **options):
        self.optimizer = CAME(tensors, betas=(*betas, beta3), eps1=eps[0], eps2=eps[1], **options)
        self.step = self.optimizer.step

    @property
    def state(self):
        def named(state):
            out = {name: value for name, value in state.items() if name != "RMS"}
            for name in [name for name in out if name.endswith(("_row", "_col"))]:
                out[name] = out[name].unsqueeze(-1 if name.endswith("_row") else -2)
            return out

        return {p: named(state) for p, state in self.optimizer.state.items()}


def came(betas=(0.9, 0.999), beta3=0.9999, eps=(1e-30, 1e-16), clip_threshold=1.0, **options):
    stated = {"betas": betas, "beta3": beta3, "eps": eps, "clip_threshold": clip_threshold}
    return scenario("CAME", peer=per_tensor(Named), stated=stated, leaves_out=(EMPTY,), **options)


SCENARIOS = {
    "came_default": came(lr=1e-3),
    "came_betas_eps": came(lr=1e-3, betas=(0.8, 0.95), beta3=0.99, eps=(1e-6, 1e-4)),
    "came_clip_threshold": came(lr=1e-3, beta3=0.999, clip_threshold=0.4),
    "came_weight_decay": came(lr=3e-3, weight_decay=0.1),
    "came_maximize": came(lr=1e-3, betas=(0.9, 0.99), beta3=0.999, maximize=True),
}
