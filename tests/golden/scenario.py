# SPDX-FileCopyrightText: 2026 The agmohd authors
# SPDX-License-Identifier: Apache-2.0
"""What the files of scenarios share: the inputs, how a scenario is written down, and how a peer runs it."""

import os

os.environ["ATEN_CPU_CAPABILITY"] = "default"  # read when torch loads

import io
import math
import random

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
# The second and the third group set these themselves and inherit the rest.
GROUPS = (
    {"tensors": [0, 1, LATE_GRADIENT, 4], "options": lambda lr: {}},
    {"tensors": [2, CHANNELS_LAST, MISSING], "options": lambda lr: {"lr": 0.5 * lr, "weight_decay": 0.03}},
    {"tensors": [LATE_GROUP], "options": lambda lr: {"lr": 2 * lr}},
)


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
    gradients = [[s * 2.0 ** step_scale[t // 10] * (d + noise()) for s, d in zip(scale, drift)] for t in range(STEPS)]
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


def scenario(recipe, transforms=(), rates=None, extra=None, **options):
    """One run of a recipe, whose last word is a rule of torch.optim, with `options`.

    transforms  (function, bound) pairs that run between backward and step; function(gradients, bound) works in place
                and returns how much it clipped, 0 to 1
    rates       from a group's learning rate to that of each step
    extra       agmohd's names for what `transforms` and `rates` do here
    """
    options.setdefault("lr", 0.02 if "momentum" in options else 0.01)
    return {
        "recipe": recipe,
        "peer": getattr(torch.optim, recipe.split("+")[-1]),
        "transforms": transforms,
        "rates": rates,
        "extra": extra or {},
        "options": options,
    }


def flat(tensors):
    return torch.cat([t.detach().contiguous().flatten() for t in tensors])


def run(spec, inputs, dtype):
    def split(row):
        tensors = [v.reshape(s).to(dtype) for v, s in zip(row.split(SIZES), SHAPES)]
        tensors[CHANNELS_LAST] = tensors[CHANNELS_LAST].contiguous(memory_format=torch.channels_last)
        return [t.clone() for t in tensors]

    parameters = [torch.nn.Parameter(t) for t in split(inputs["initial"])]
    options = spec["options"]
    groups = [{"params": [parameters[i] for i in g["tensors"]], **g["options"](options["lr"])} for g in GROUPS]
    if spec["rates"]:
        group_rates = [spec["rates"](g.get("lr", options["lr"])) for g in groups]
    optimizer = spec["peer"](groups[:-1], foreach=False, **options)
    tensors, clipped = {}, [0.0] * len(spec["transforms"])
    for t in range(STEPS):
        if t == JOIN_AFTER:
            optimizer.add_param_group(groups[-1])
        gradients = split(inputs["gradients"][t])
        for i, parameter in enumerate(parameters):
            parameter.grad = gradients[i] if inputs["present"][t, i] else None
        here = [p.grad for p in parameters if p.grad is not None]
        for place, (transform, bound) in enumerate(spec["transforms"]):
            clipped[place] += transform(here, bound) / STEPS
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


def stored(spec, inputs):
    """A scenario as its file holds it."""
    lr = spec["options"]["lr"]
    return {
        "recipe": spec["recipe"],
        "options": {**spec["options"], **spec["extra"]},
        "groups": [
            {"tensors": g["tensors"], "options": g["options"](lr), "joins": JOIN_AFTER if g is GROUPS[-1] else 0}
            for g in GROUPS
        ],
        "float32": run(spec, inputs, torch.float32),
        "float64": run(spec, inputs, torch.float64),
    }


def packed(value):
    buffer = io.BytesIO()
    torch.save(value, buffer)
    return buffer.getvalue()
