# SPDX-FileCopyrightText: 2026 The agmohd authors
# SPDX-License-Identifier: Apache-2.0
"""Writes momenta.txt: the momenta that PyTorch's schedulers with cycle_momentum give at each step, of SGD and of Adam,
and the options of our schedule and of momentum::Cycle that must give them.

    make_momenta.py

A line has, with tabs between: our schedule; its options, as schedule::from_text() has them; base_momentum; max_momentum;
their scheduler; the momenta at steps 0, 1, ... as hexadecimal floats.
"""

import pathlib

import torch
from torch.optim.lr_scheduler import CyclicLR, OneCycleLR


def momenta(make, steps):
    """What a scheduler sets the momentum to before each step, the same for SGD and for Adam."""
    both = []
    for optimizer in (
        torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0, momentum=0.9),
        torch.optim.Adam([torch.nn.Parameter(torch.zeros(1))], lr=1.0),
    ):
        scheduler = make(optimizer)
        out = []
        for t in range(steps):
            group = optimizer.param_groups[0]
            out.append(float(group["momentum"] if "momentum" in group else group["betas"][0]))
            if t + 1 < steps:
                optimizer.step()
                scheduler.step()
        both.append(out)
    assert both[0] == both[1]
    return both[0]


def rows():
    for total, start, anneal, three, base, most in (
        (100, 0.3, "cos", False, 0.85, 0.95),
        (100, 0.3, "linear", True, 0.85, 0.95),
        (37, 0.25, "linear", False, 0.5, 0.99),
        (37, 0.4, "cos", True, 0.8, 0.9),
        (20, 0.5, "cos", True, 0.85, 0.95),
        (20, 0.0, "cos", False, 0.0, 0.9),
    ):
        text = f"total_steps={total},pct_start={start},anneal_strategy={anneal},three_phase={'true' if three else 'false'}"
        make = lambda o: OneCycleLR(o, 1.0, total, None, None, start, anneal, True, base, most, three_phase=three)  # noqa: E731
        yield "one_cycle", text, base, most, "OneCycleLR", momenta(make, total)
    for up, down, mode, gamma, base, most in (
        (4, 4, "triangular", 1.0, 0.8, 0.9),
        (2, 7, "triangular", 1.0, 0.85, 0.95),
        (5, 5, "triangular2", 1.0, 0.8, 0.9),
        (3, 4, "exp_range", 0.9, 0.5, 0.99),
    ):
        text = f"cycle_steps={up + down},up_steps={up},cycle_mode={mode},cycle_gamma={gamma}"
        make = lambda o: CyclicLR(o, 0.1, 1.0, up, down, mode, gamma, base_momentum=base, max_momentum=most)  # noqa: E731
        yield "cyclical", text, base, most, "CyclicLR", momenta(make, 40)


def main():
    lines = [f"# torch {torch.__version__}; made by make_momenta.py"]
    for schedule, options, base, most, peer, values in rows():
        numbers = " ".join(value.hex() for value in values)
        lines.append("\t".join((schedule, options, repr(base), repr(most), peer, numbers)))
    (pathlib.Path(__file__).parent / "momenta.txt").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
