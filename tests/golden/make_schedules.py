# SPDX-FileCopyrightText: 2026 The agmohd authors
# SPDX-License-Identifier: Apache-2.0
"""Writes schedules.txt: the factors that PyTorch's and transformers' schedulers give at each step, and our schedule with
the options that must give them.

    make_schedules.py

A line has, with tabs between: our schedule; its options, as schedule::from_text() has them; how far a factor may be from
theirs; their scheduler; the factors at steps 0, 1, ... as hexadecimal floats. PyTorch's chainable schedulers multiply
step by step, so their rounding errors grow with the steps; the others are one formula.
"""

import pathlib
import re
import warnings

import torch
import transformers
from torch.optim.lr_scheduler import (
    ChainedScheduler,
    ConstantLR,
    CosineAnnealingLR,
    CosineAnnealingWarmRestarts,
    CyclicLR,
    ExponentialLR,
    LinearLR,
    MultiStepLR,
    OneCycleLR,
    PolynomialLR,
    SequentialLR,
    StepLR,
)

FORMULA, CHAINED = 1e-15, 4e-15
LR = 1.0


def factors(make, steps):
    """What a scheduler sets the rate to, over LR, before each step."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=LR, momentum=0.9)
    scheduler = make(optimizer)
    out = []
    for t in range(steps):
        out.append(float(optimizer.param_groups[0]["lr"]) / LR)
        if t + 1 < steps:
            optimizer.step()
            scheduler.step()
    return out


def hf(name, **options):
    return lambda optimizer: getattr(transformers, f"get_{name}")(optimizer, **options)


def sequential(parts, milestones):
    return lambda o: SequentialLR(o, [part(o) for part in parts], milestones=milestones)


def rows():
    for total, low in ((10, 0.0), (60, 0.1), (1, 0.5)):
        text = f"total_steps={total},min_factor={low}"
        # Until the end: PyTorch's goes up again after it.
        yield f"cosine,{text}", CHAINED, "CosineAnnealingLR", lambda o: CosineAnnealingLR(o, total, low), total + 1
    for start, end, total in ((1, 0, 10), (0.25, 0.05, 60), (0.001, 1, 1)):
        text = f"total_steps={total},start_factor={start},end_factor={end}"
        yield f"linear,{text}", CHAINED, "LinearLR", lambda o: LinearLR(o, start, end, total), total + 5
    for factor, total in ((1 / 3, 5), (0.1, 1), (0.5, 30)):
        text = f"warmup_steps={total},warmup_curve=constant,warmup_start={factor!r}"
        yield f"constant,{text}", CHAINED, "ConstantLR", lambda o: ConstantLR(o, factor, total), total + 5
    for size, gamma in ((1, 0.9), (7, 0.1), (1000, 0.5)):
        yield f"step,step_size={size},gamma={gamma}", CHAINED, "StepLR", lambda o: StepLR(o, size, gamma), 40
    for milestones, gamma in (([3, 8], 0.1), ([1, 2, 20, 39], 0.5), ([5, 5, 9], 0.3)):
        text = f"milestones={'/'.join(map(str, milestones))},gamma={gamma}"
        yield f"multi_step,{text}", CHAINED, "MultiStepLR", lambda o: MultiStepLR(o, milestones, gamma), 45
    for gamma in (0.9, 0.999, 1.0):
        yield f"exponential,gamma={gamma}", CHAINED, "ExponentialLR", lambda o: ExponentialLR(o, gamma), 200
    for total, power in ((5, 1.0), (40, 2.0), (40, 0.5), (1, 3.0)):
        text = f"total_steps={total},power={power}"
        # In its last steps PyTorch multiplies with quotients of small remainders.
        yield f"polynomial,{text}", CHAINED, "PolynomialLR", lambda o: PolynomialLR(o, total, power), total + 5
    for first, mult, low in ((10, 1, 0.0), (3, 2, 0.05), (1, 3, 0.0)):
        text = f"restart_steps={first},restart_mult={mult},min_factor={low}"
        name = "CosineAnnealingWarmRestarts"
        yield f"cosine_restarts,{text}", FORMULA, name, lambda o: CosineAnnealingWarmRestarts(o, first, mult, low), 60
    for up, down, mode, gamma, low in (
        (4, 4, "triangular", 1.0, 0.1),
        (2, 7, "triangular", 1.0, 0.0),
        (5, 5, "triangular2", 1.0, 0.1),
        (3, 4, "triangular2", 1.0, 0.25),
        (4, 4, "exp_range", 0.99, 0.1),
        (5, 2, "exp_range", 0.9, 0.0),
    ):
        text = f"cycle_steps={up + down},up_steps={up},cycle_mode={mode},cycle_gamma={gamma},min_factor={low}"
        cyclic = lambda o: CyclicLR(o, low, LR, up, down, mode, gamma)  # noqa: E731
        yield f"cyclical,{text}", CHAINED, "CyclicLR", cyclic, 40
    for total, start, div, final, anneal, three in (
        (100, 0.3, 25.0, 1e4, "cos", False),
        (100, 0.3, 25.0, 1e4, "linear", True),
        (37, 0.25, 10.0, 100.0, "linear", False),
        (37, 0.4, 10.0, 100.0, "cos", True),
        (20, 0.5, 4.0, 1e3, "cos", True),
        (20, 0.0, 4.0, 1e3, "cos", False),
        (2, 0.3, 25.0, 1e4, "cos", False),
    ):
        text = f"total_steps={total},pct_start={start},div_factor={div},final_div_factor={final},anneal_strategy={anneal}"
        if three:
            text += ",three_phase=true"
        one = lambda o: OneCycleLR(  # noqa: E731
            o, LR, total, None, None, start, anneal, div_factor=div, final_div_factor=final, three_phase=three
        )
        yield f"one_cycle,{text}", FORMULA, "OneCycleLR", one, total
    yield (
        "Sequence<Warmup,Exponential>,milestones=20,warmup_steps=20,warmup_curve=constant,warmup_start=0.1,gamma=0.9",
        CHAINED,
        "SequentialLR(ConstantLR, ExponentialLR)",
        sequential([lambda o: ConstantLR(o, 0.1, 20), lambda o: ExponentialLR(o, 0.9)], [20]),
        60,
    )
    yield (
        "Sequence<Linear,Cosine,Linear>,milestones=5/25,total_steps=5,start_factor=0.2,end_factor=1,total_steps=20,"
        "min_factor=0.5,total_steps=8,start_factor=0.5,end_factor=0.1",
        CHAINED,
        "SequentialLR(LinearLR, CosineAnnealingLR, LinearLR)",
        sequential(
            [
                lambda o: LinearLR(o, 0.2, 1.0, 5),
                lambda o: CosineAnnealingLR(o, 20, 0.5),
                lambda o: LinearLR(o, 0.5, 0.1, 8),
            ],
            [5, 25],
        ),
        40,
    )
    yield (
        "Product<Step,Exponential>,step_size=5,gamma=0.5,gamma=0.9",
        CHAINED,
        "ChainedScheduler(StepLR, ExponentialLR)",
        lambda o: ChainedScheduler([StepLR(o, 5, 0.5), ExponentialLR(o, 0.9)], o),
        40,
    )

    for warm, total in ((0, 20), (1, 20), (7, 30), (29, 30)):
        start = f"warmup_steps={warm},warmup_from_start=true"
        yield f"constant,{start}", FORMULA, "constant_with_warmup", hf("constant_schedule_with_warmup", num_warmup_steps=warm), 35
        both = {"num_warmup_steps": warm, "num_training_steps": total}
        yield f"linear,{start},total_steps={total}", FORMULA, "linear", hf("linear_schedule_with_warmup", **both), total + 5
        cosine = hf("cosine_schedule_with_warmup", **both)
        yield f"cosine,{start},total_steps={total}", FORMULA, "cosine", cosine, total + 1
        low = hf("cosine_with_min_lr_schedule_with_warmup", min_lr_rate=0.2, **both)
        yield f"cosine,{start},total_steps={total},min_factor=0.2", FORMULA, "cosine_with_min_lr", low, total + 1
        for power in (1.0, 2.5):
            text = f"polynomial,{start},total_steps={total},power={power},min_factor=0.01"
            peer = hf("polynomial_decay_schedule_with_warmup", lr_end=0.01, power=power, **both)
            yield text, FORMULA, "polynomial", peer, total + 5
        scale = warm or 10_000
        root = hf("inverse_sqrt_schedule", num_warmup_steps=warm)
        yield f"inverse_sqrt,{start},timescale={scale}", FORMULA, "inverse_sqrt", root, 60
    root = hf("inverse_sqrt_schedule", num_warmup_steps=5, timescale=12)
    yield "inverse_sqrt,warmup_steps=5,warmup_from_start=true,timescale=12", FORMULA, "inverse_sqrt", root, 60
    for warm, cycles in ((0, 4), (6, 3)):
        total = warm + 12 * cycles
        text = f"Warmup<Restart<Cosine>>,warmup_steps={warm},warmup_from_start=true,restart_steps=12,restart_cycles={cycles},total_steps=12"
        both = {"num_warmup_steps": warm, "num_training_steps": total}
        peer = hf("cosine_with_hard_restarts_schedule_with_warmup", num_cycles=cycles, **both)
        yield text, FORMULA, "cosine_with_restarts", peer, total + 5
    for curve in ("linear", "cosine", "1-sqrt"):
        for warm, total, decay, low in ((0, 20, 5, 0.0), (4, 30, 10, 0.1), (1, 12, 11, 0.0)):
            name = curve.replace("1-sqrt", "one_minus_sqrt")
            text = f"wsd,warmup_steps={warm},warmup_from_start=true,warmup_curve={name},warmup_start={low}"
            text += f",total_steps={total},decay_steps={decay},decay_curve={name},min_factor={low}"
            steps = {"num_warmup_steps": warm, "num_decay_steps": decay, "num_training_steps": total}
            peer = hf("wsd_schedule", warmup_type=curve, decay_type=curve, min_lr_ratio=low, **steps)
            yield text, FORMULA, "warmup_stable_decay", peer, total + 5


def main():
    warnings.simplefilter("ignore")
    lines = [f"# torch {torch.__version__}, transformers {transformers.__version__}; made by make_schedules.py"]
    for text, tolerance, peer, make, steps in rows():
        values = " ".join(float(x).hex() for x in factors(make, steps))
        name, options = re.fullmatch(r"(.*?),(\w+=.*)", text).groups()
        lines.append("\t".join([name, options, repr(tolerance), peer, values]))
    (pathlib.Path(__file__).parent / "schedules.txt").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
