#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 The agmohd authors
# SPDX-License-Identifier: Apache-2.0
"""Writes the golden trajectories: what torch.optim makes of fixed gradient sequences.

    pip install -r requirements.txt
    python3 make_golden.py            # writes *.pt beside this script
    python3 make_golden.py --check    # writes nothing; fails if the stored files would change

inputs.pt   shapes, layouts, initial values (double), gradients (double, one row a step) and which gradients exist
the rest    a scenario is in the file that its name begins with: recipe, options, groups and, for float32 and float64,
            the parameters after 1, 10 and 100 steps, the final state and each tensor's step count

Every stored array is the concatenation of all tensors in order, each flattened row-major whatever its layout. float32
runs start from the doubles rounded once. Random numbers come from Python's generator and exact arithmetic, the kernels
are ATen's baseline build for CPUs, so the files should not depend on the CPU.
"""

import os

os.environ["ATEN_CPU_CAPABILITY"] = "default"  # read when torch loads

import argparse
import io
import math
import pathlib
import random
import sys

import torch

STEPS = 100
SNAPSHOTS = (1, 10, 100)
SHAPES = ((7, 5), (33,), (1,), (3, 2, 2, 2), (0, 4), (5, 3), (11,), (2, 9))
CHANNELS_LAST = 3  # index of the one tensor stored channels-last
MISSING = 5  # has no gradient on some steps
LATE_GRADIENT = 6  # has no gradient before step 11
LATE_GROUP = 7  # joins by add_param_group after 20 steps
JOIN_AFTER = 20
SIZES = [math.prod(shape) for shape in SHAPES]


def make_inputs():
    rng = random.Random(20260101)

    def noise():  # standard deviation 0.58, bounded by 2, exact on every machine
        return sum(rng.random() for _ in range(4)) - 2.0

    # A tensor's scale, an element's scale and a step's scale, all powers of two, around a drift with some noise. The
    # drift keeps sums of few elements away from zero, where a relative difference would mean nothing.
    tensor_scale = (-5, -3, -4, -1, 0, -6, 0, -2)
    scale, drift = [], []
    for size, exponent in zip(SIZES, tensor_scale):
        for element in range(size):
            scale.append(2.0 ** (exponent + rng.randrange(-3, 1)))
            drift.append(rng.choice((-1.0, 1.0)) * (0.5 + rng.random()))
            if size == 1:
                drift[-1] = 2.0
            if size == 33 and element % 8 == 5:
                scale[-1] = 2.0**-26  # near Adam's eps
            if size == 33 and element % 16 == 9:
                scale[-1] = 0.0
    step_scale = (1, 2, 0, -2, -4, -1, 0, -3, -5, -1)  # ten steps each
    gradients = [
        [s * 2.0 ** step_scale[t // 10] * (d + noise()) for s, d in zip(scale, drift)] for t in range(STEPS)
    ]
    present = torch.ones(STEPS, len(SHAPES), dtype=torch.uint8)
    for t in range(STEPS):
        present[t, MISSING] = t not in (0, 4, 5) and t % 7 != 3
        present[t, LATE_GRADIENT] = t >= 10
        present[t, LATE_GROUP] = t >= JOIN_AFTER
    return {
        "shapes": [list(shape) for shape in SHAPES],
        "channels_last": CHANNELS_LAST,
        "initial": torch.tensor([noise() for _ in range(sum(SIZES))], dtype=torch.float64),
        "gradients": torch.tensor(gradients, dtype=torch.float64),
        "present": present,
    }


# --- what runs between backward and step; each returns how much it clipped, 0 to 1 ---


def clip_by_norm(gradients, max_norm):
    """max_norm / norm where the norm is larger, else untouched; the norm in double."""
    norm = math.sqrt(sum(float(g.double().square().sum()) for g in gradients))
    if norm > max_norm:
        for g in gradients:
            g.mul_(max_norm / norm)
    return float(norm > max_norm)


def clip_by_norm_torch(gradients, max_norm):
    """torch's own: max_norm / (norm + 1e-6), at most 1. Differs from clip_by_norm by up to 1e-6 / norm."""
    parameters = [torch.nn.Parameter(g) for g in gradients]
    for parameter, g in zip(parameters, gradients):
        parameter.grad = g
    norm = torch.nn.utils.clip_grad_norm_(parameters, max_norm, foreach=False)
    return float(norm > max_norm)


def clip_by_value(gradients, max_value):
    clipped = torch.cat([g.flatten().abs() > max_value for g in gradients]).double().mean()
    for g in gradients:
        g.clamp_(-max_value, max_value)
    return float(clipped)


def scheduler_rates(make):
    """The learning rates that a torch scheduler gives, as a function of the base rate."""

    def rates(base):
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=base)
        scheduler = make(optimizer, base)
        result = []
        for _ in range(STEPS):
            result.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            scheduler.step()
        return result

    return rates


def warmup_cosine(warmup_steps, total_steps, min_factor):
    """(t + 1) / warmup_steps, then the cosine over what is left, then min_factor; t counts the steps applied before."""

    def factor(t):
        if t < warmup_steps:
            return (t + 1) / warmup_steps
        progress = min((t - warmup_steps) / (total_steps - warmup_steps), 1.0)
        return min_factor + (1.0 - min_factor) * 0.5 * (1.0 + math.cos(math.pi * progress))

    return lambda base: [base * factor(t) for t in range(STEPS)]


# --- scenarios ---


def scenario(recipe, clip=(), rates=None, extra=None, **options):
    """`options` go to torch.optim, `extra` are agmohd's names for what `clip` and `rates` do here."""
    rule = recipe.split("+")[-1]
    options.setdefault("lr", 0.02 if "momentum" in options else 0.01)
    return {"recipe": recipe, "rule": rule, "clip": clip, "rates": rates, "extra": extra or {}, "options": options}


FILES = {
    "sgd": {
        "sgd_plain": scenario("SGD", lr=0.1),
        "sgd_momentum": scenario("SGD", momentum=0.9),
        "sgd_dampening": scenario("SGD", momentum=0.9, dampening=0.3),
        "sgd_nesterov": scenario("SGD", momentum=0.8, nesterov=True),
        "sgd_weight_decay": scenario("SGD", momentum=0.9, weight_decay=0.1),
        "sgd_maximize": scenario("SGD", momentum=0.9, weight_decay=0.05, maximize=True),
    },
    "adam": {
        "adam_default": scenario("Adam"),
        "adam_betas_eps": scenario("Adam", betas=(0.8, 0.95), eps=1e-3),
        "adam_weight_decay": scenario("Adam", weight_decay=0.1),
        "adam_amsgrad": scenario("Adam", betas=(0.9, 0.95), amsgrad=True),
        "adam_maximize": scenario("Adam", weight_decay=0.05, maximize=True),
    },
    "adamw": {
        "adamw_default": scenario("AdamW"),
        "adamw_betas": scenario("AdamW", betas=(0.8, 0.95)),
        "adamw_weight_decay": scenario("AdamW", weight_decay=0.1),
        "adamw_amsgrad": scenario("AdamW", betas=(0.9, 0.95), amsgrad=True),
        "adamw_maximize": scenario("AdamW", weight_decay=0.1, maximize=True),
    },
    "clip": {
        "clip_norm_adamw": scenario(
            "ClipByNorm+AdamW", clip=((clip_by_norm, 1.0),), extra={"max_norm": 1.0}, betas=(0.9, 0.95)
        ),
        "clip_norm_torch_adamw": scenario(
            "ClipByNorm+AdamW", clip=((clip_by_norm_torch, 1.0),), extra={"max_norm": 1.0}, betas=(0.9, 0.95)
        ),
        "clip_value_sgd": scenario(
            "ClipByValue+SGD", clip=((clip_by_value, 0.1),), extra={"max_value": 0.1}, momentum=0.9
        ),
        "clip_value_norm_adam": scenario(
            "ClipByValue+ClipByNorm+Adam",
            clip=((clip_by_value, 0.2), (clip_by_norm, 0.6)),
            extra={"max_value": 0.2, "max_norm": 0.6},
            betas=(0.9, 0.95),
        ),
    },
    "schedule": {
        "schedule_linear_sgd": scenario(
            "Linear+SGD",
            rates=scheduler_rates(lambda o, _: torch.optim.lr_scheduler.LinearLR(o, 0.25, 0.05, total_iters=60)),
            extra={"start_factor": 0.25, "end_factor": 0.05, "total_steps": 60},
            momentum=0.9,
            lr=0.05,
        ),
        "schedule_cosine_adam": scenario(
            "Cosine+Adam",
            rates=scheduler_rates(
                lambda o, base: torch.optim.lr_scheduler.CosineAnnealingLR(o, STEPS, eta_min=0.2 * base)
            ),
            extra={"total_steps": STEPS, "min_factor": 0.2},
            lr=0.02,
        ),
        "schedule_warmup_cosine_adamw": scenario(
            "Warmup+Cosine+AdamW",
            rates=warmup_cosine(warmup_steps=12, total_steps=80, min_factor=0.1),
            extra={"warmup_steps": 12, "total_steps": 80, "min_factor": 0.1},
            weight_decay=0.1,
            lr=0.02,
        ),
    },
}
# The second and the third group set these themselves and inherit the rest.
GROUPS = (
    {"tensors": [0, 1, LATE_GRADIENT, 4], "options": lambda lr: {}},
    {"tensors": [2, CHANNELS_LAST, MISSING], "options": lambda lr: {"lr": 0.5 * lr, "weight_decay": 0.03}},
    {"tensors": [LATE_GROUP], "options": lambda lr: {"lr": 2 * lr}},
)


def flat(tensors):
    return torch.cat([t.detach().contiguous().flatten() for t in tensors])


def run(spec, inputs, dtype):
    def split(row):
        tensors = [v.reshape(s).to(dtype) for v, s in zip(row.split(SIZES), SHAPES)]
        tensors[CHANNELS_LAST] = tensors[CHANNELS_LAST].contiguous(memory_format=torch.channels_last)
        return [t.clone() for t in tensors]

    parameters = [torch.nn.Parameter(t) for t in split(inputs["initial"])]
    options = spec["options"]
    groups = [
        {"params": [parameters[i] for i in g["tensors"]], **g["options"](options["lr"])} for g in GROUPS
    ]
    if spec["rates"]:
        group_rates = [spec["rates"](g.get("lr", options["lr"])) for g in groups]
    optimizer = getattr(torch.optim, spec["rule"])(groups[:-1], foreach=False, **options)
    tensors, clipped = {}, [0.0] * len(spec["clip"])
    for t in range(STEPS):
        if t == JOIN_AFTER:
            optimizer.add_param_group(groups[-1])
        gradients = split(inputs["gradients"][t])
        for i, parameter in enumerate(parameters):
            parameter.grad = gradients[i] if inputs["present"][t, i] else None
        here = [p.grad for p in parameters if p.grad is not None]
        for link, (clip, bound) in enumerate(spec["clip"]):
            clipped[link] += clip(here, bound) / STEPS
        if spec["rates"]:
            for group, rates in zip(optimizer.param_groups, group_rates):
                group["lr"] = rates[t]
        optimizer.step()
        if t + 1 in SNAPSHOTS:
            tensors[f"params_{t + 1}"] = flat(parameters)

    state = [optimizer.state[p] for p in parameters]
    for name, value in state[0].items():
        if value is not None and name != "step":
            tensors[name] = flat([s[name] for s in state])
    steps = inputs["present"].sum(0).tolist()
    assert all("step" not in s or int(s["step"]) == n for s, n in zip(state, steps))

    # A scenario that does not exercise what it is there for proves nothing.
    assert all(torch.isfinite(v).all() for v in tensors.values())
    assert all(0.1 < share < 0.8 for share in clipped), clipped
    for before, after in zip(inputs["initial"].split(SIZES), tensors["params_100"].split(SIZES)):
        if before.numel() > 0:
            assert (after - before).norm() > 0.01 * before.norm()
    if "max_exp_avg_sq" in tensors:
        assert (tensors["max_exp_avg_sq"] > tensors["exp_avg_sq"]).float().mean() > 0.5
    return {"tensors": tensors, "steps": steps}


def store(value):
    buffer = io.BytesIO()
    torch.save(value, buffer)
    return buffer.getvalue()


def make():
    torch.set_num_threads(1)
    inputs = make_inputs()
    files = {"inputs.pt": store(inputs)}
    for file, specs in FILES.items():
        content = {}
        for name, spec in specs.items():
            lr = spec["options"]["lr"]
            content[name] = {
                "recipe": spec["recipe"],
                "options": {**spec["options"], **spec["extra"]},
                "groups": [
                    {
                        "tensors": g["tensors"],
                        "options": g["options"](lr),
                        "joins": JOIN_AFTER if g is GROUPS[-1] else 0,
                    }
                    for g in GROUPS
                ],
                "float32": run(spec, inputs, torch.float32),
                "float64": run(spec, inputs, torch.float64),
            }
        files[f"{file}.pt"] = store(content)
    return files


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare with the stored files instead of writing them")
    check = parser.parse_args().check
    folder = pathlib.Path(__file__).parent
    changed = []
    for name, content in make().items():
        path = folder / name
        if not check:
            path.write_bytes(content)
        elif not path.exists() or path.read_bytes() != content:
            changed.append(name)
    sys.exit(f"would change: {', '.join(changed)}" if changed else 0)


if __name__ == "__main__":
    main()
