# SPDX-FileCopyrightText: 2026 The agmohd authors
# SPDX-License-Identifier: Apache-2.0
"""What the files of scenarios share: the inputs, how a scenario is written down, and how a peer runs it.

A peer is the published optimizer that a scenario is taken from: a function of (groups, foreach, options) whose result
has step, add_param_group and state as torch.optim's; param_groups, too, if the scenario has rates.
"""

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


def scenario(
    recipe,
    peer=None,
    transforms=(),
    rates=None,
    averages=None,
    extra=None,
    stated=None,
    leaves_out=(),
    lacks=(),
    one_rate=False,
    window=1,
    rounding=4e-6,
    is_complex=False,
    **options,
):
    """One run of a recipe with `options`, each of which must matter: without it the parameters would end elsewhere.

    peer        default: the rule of torch.optim that is the recipe's last word
    transforms  (function, bound) pairs that run between backward and step; function(parameters, bound) works on the
                gradients in place and returns how much it clipped, 0 to 1
    rates       from a group's learning rate to that of each step
    averages    makes of the parameters an object whose update(steps) runs after every step, and whose tensors() are
                stored beside the parameters
    extra       agmohd's names for what `transforms`, `rates`, `averages` and `peer` do here
    stated      further options, which may be the peer's defaults; stored because packages disagree on them
    leaves_out  tensors whose gradients are kept from a peer that fails on them; they have no state
    lacks       options of GROUPS that the rule does not have
    one_rate    the peer refuses groups that differ in lr: all have the same
    window      calls of step() to an update of the peer
    rounding    how far float32 may be from float64, relative to a tensor's norm: where it is further, the scenario
                would test rounding. None: the dtype changes the formula
    is_complex  the tensors are complex, with their elements in reverse order as imaginary parts; what is stored are
                their parts, of shape [..., 2]
    """
    options.setdefault("lr", 0.02 if "momentum" in options else 0.01)
    return {
        "recipe": recipe,
        "peer": peer or getattr(torch.optim, recipe.split("+")[-1]),
        "transforms": transforms,
        "rates": rates,
        "averages": averages,
        "extra": extra or {},
        "stated": stated or {},
        "leaves_out": leaves_out,
        "lacks": lacks,
        "one_rate": one_rate,
        "window": window,
        "rounding": rounding,
        "is_complex": is_complex,
        "options": options,
    }


def per_tensor(make, names=None):
    """A peer of one optimizer a tensor, stepped where the tensor has a gradient.

    For rules that know nothing of other tensors, of packages that count steps by group or cannot add groups.
    make(tensors, options) makes one; `names` renames entries of its state.
    """

    class PerTensor:
        def __init__(self, groups, foreach, **options):
            self.options, self.optimizers = {"foreach": foreach, **options}, {}
            for group in groups:
                self.add_param_group(group)

        def add_param_group(self, group):
            own = {name: value for name, value in group.items() if name != "params"}
            for parameter in group["params"]:
                self.optimizers[parameter] = make([parameter], **{**self.options, **own})

        def step(self):
            for parameter, optimizer in self.optimizers.items():
                if parameter.grad is not None:
                    optimizer.step()

        @property
        def state(self):
            return {p: renamed(o.state.get(p, {}), names or {}) for p, o in self.optimizers.items()}

    return PerTensor


def renamed(state, names):
    return {names.get(name, name): value for name, value in state.items()}


def double_scalars(make, *names):
    """A peer whose numbers of a whole tensor, `names` in its state, are of float64; they are not stored.

    torch.optim makes them of the default dtype. In float32 they round, and with them the steps of float64.
    """

    class DoubleScalars:
        def __init__(self, groups, **options):
            self.optimizer = make(groups, **options)
            self.add_param_group = self.optimizer.add_param_group

        def step(self):
            default = torch.get_default_dtype()
            torch.set_default_dtype(torch.float64)
            self.optimizer.step()
            torch.set_default_dtype(default)

        @property
        def state(self):
            states = self.optimizer.state.items()
            return {p: {name: value for name, value in s.items() if name not in names} for p, s in states}

    return DoubleScalars


def group_options(spec, group):
    options = group["options"](spec["options"]["lr"])
    if spec["one_rate"] and "lr" in options:
        options["lr"] = spec["options"]["lr"]
    return {name: value for name, value in options.items() if name not in spec["lacks"]}


def parts(tensor):
    return torch.view_as_real(tensor) if tensor.is_complex() else tensor


def flat(tensors):
    return torch.cat([parts(t.detach()).contiguous().flatten() for t in tensors])


def run(spec, inputs, dtype):
    def split(row):
        tensors = [v.reshape(s).to(dtype) for v, s in zip(row.split(SIZES), SHAPES)]
        if spec["is_complex"]:
            tensors = [torch.complex(t, t.flip(tuple(range(t.dim())))) for t in tensors]
        tensors[CHANNELS_LAST] = tensors[CHANNELS_LAST].contiguous(memory_format=torch.channels_last)
        return [t.clone() for t in tensors]

    parameters = [torch.nn.Parameter(t) for t in split(inputs["initial"])]
    options = {**spec["options"], **spec["stated"]}
    groups = [{"params": [parameters[i] for i in g["tensors"]], **group_options(spec, g)} for g in GROUPS]
    if spec["rates"]:
        group_rates = [spec["rates"](g.get("lr", options["lr"])) for g in groups]
    optimizer = spec["peer"](groups[:-1], foreach=False, **options)
    averages = spec["averages"](parameters) if spec["averages"] else None
    tensors, clipped = {}, [0.0] * len(spec["transforms"])
    for t in range(STEPS):
        if t == JOIN_AFTER:
            optimizer.add_param_group(groups[-1])
        gradients = split(inputs["gradients"][t])
        for i, parameter in enumerate(parameters):
            parameter.grad = gradients[i] if inputs["present"][t, i] and i not in spec["leaves_out"] else None
        here = [p for p in parameters if p.grad is not None]
        for place, (transform, bound) in enumerate(spec["transforms"]):
            clipped[place] += transform(here, bound) / STEPS
        if spec["rates"]:
            for group, rates in zip(optimizer.param_groups, group_rates):
                group["lr"] = rates[t]
        optimizer.step()
        if averages:
            averages.update(t + 1)
        if t + 1 in SNAPSHOTS:
            tensors[f"params_{t + 1}"] = flat(parameters)
            if averages and averages.tensors():
                tensors[f"average_{t + 1}"] = flat(averages.tensors())

    state, shapes = [optimizer.state[p] for p in parameters], {}
    for name in dict.fromkeys(name for s in state for name, value in s.items() if value is not None):
        if name != "step":
            of_state = [s.get(name, torch.empty(0, dtype=dtype)) for s in state]
            tensors[name] = flat(of_state)
            if any(part.shape != p.shape and p.numel() > 0 for part, p in zip(of_state, parameters)):
                shapes[name] = [list(part.shape) for part in of_state]
    if spec["is_complex"]:
        assert not shapes
        shapes = {name: [list(parts(p).shape) for p in parameters] for name in tensors}
    windows = inputs["present"][: STEPS // spec["window"] * spec["window"]].split(spec["window"])
    steps = sum(window.amax(0).to(torch.int64) for window in windows).tolist()
    assert all("step" not in s or int(s["step"]) == n for s, n in zip(state, steps))
    return {"tensors": tensors, "steps": steps, **({"shapes": shapes} if shapes else {})}, clipped


def expect_meaning(spec, inputs, trajectory, clipped):
    """A scenario that does not exercise what it is there for proves nothing."""
    tensors, dtype = trajectory["tensors"], trajectory["tensors"]["params_1"].dtype
    assert all(torch.isfinite(v).all() and v.dtype == dtype for v in tensors.values())
    assert all(0.1 < share < 0.8 for share in clipped), clipped
    sizes = [size * (2 if spec["is_complex"] else 1) for size in SIZES]
    for before, after in zip(inputs["initial"].split(SIZES), tensors["params_100"].split(sizes)):
        if spec["is_complex"]:
            before = torch.stack([before, before.flip(0)], 1).flatten()
        if before.numel() > 0:
            assert (after - before).norm() > 0.01 * before.norm()
    if "max_exp_avg_sq" in tensors:
        assert (tensors["max_exp_avg_sq"] > tensors["exp_avg_sq"]).float().mean() > 0.5
    for name in spec["options"].keys() - {"lr"} if dtype == torch.float64 else ():
        less = {key: value for key, value in spec["options"].items() if key != name}
        try:
            without = run({**spec, "options": less}, inputs, dtype)[0]["tensors"]["params_100"]
        except ValueError:
            continue  # torch's Nesterov demands a momentum
        with_it = tensors["params_100"]
        assert (with_it - without).norm() > 1e-4 * with_it.norm(), f"{spec['recipe']}: {name} changes nothing"


def stored(spec, inputs):
    """A scenario as its file holds it."""

    def trajectory(dtype):
        result, clipped = run(spec, inputs, dtype)
        expect_meaning(spec, inputs, result, clipped)
        return result

    single, double = trajectory(torch.float32), trajectory(torch.float64)
    for name, tensor in double["tensors"].items() if spec["rounding"] else ():
        sizes = [math.prod(shape) for shape in double.get("shapes", {}).get(name, SHAPES)]
        for x, y in zip(single["tensors"][name].split(sizes), tensor.split(sizes)):
            assert (x - y).norm() <= spec["rounding"] * y.norm(), f"{spec['recipe']}: {name} is ill-conditioned"
    return {
        "recipe": spec["recipe"],
        "options": {**spec["options"], **spec["stated"], **spec["extra"]},
        "groups": [
            {"tensors": g["tensors"], "options": group_options(spec, g), "joins": JOIN_AFTER if g is GROUPS[-1] else 0}
            for g in GROUPS
        ],
        "float32": single,
        "float64": double,
        **({"is_complex": True} if spec["is_complex"] else {}),
    }


def packed(value):
    buffer = io.BytesIO()
    torch.save(value, buffer)
    return buffer.getvalue()
