#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 The agmohd authors
# SPDX-License-Identifier: Apache-2.0
"""Trains with torch.optim, lets C++ go on for 20 steps, and goes on itself for 20 more: both agree with a training in
Python alone, parameters, states and options. Files that do not fit are refused with a message.

    check.py <python_files> [<another python3> [<folder of a virtual environment>]]

Runs itself with the other python3 if this one has no torch; if that has none either, pip installs torch for the CPU
into the folder. Exits with 77 where there is no torch.
"""

import copy
import pathlib
import subprocess
import sys
import tempfile
from unittest import mock

PACKAGES = ["torch==2.11.0"]
INDEX = "https://download.pytorch.org/whl/cpu"
STEPS = 20


def has_torch(python):
    try:
        return subprocess.run([python, "-c", "import torch"], capture_output=True).returncode == 0
    except OSError:
        return False


def install(folder):
    """The interpreter that has torch, or nothing."""
    python, stamp = folder / "bin" / "python3", folder / "agmohd-stamp"
    if not (stamp.exists() and stamp.read_text() == str(PACKAGES)):
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--index-url", INDEX]
        for command in ([sys.executable, "-m", "venv", "--clear", str(folder)], pip + PACKAGES):
            if subprocess.run(command).returncode != 0:
                return None
        stamp.write_text(str(PACKAGES))
    return python


class Training:
    def __init__(self, make, dtype, **options):
        self.model = torch.nn.Sequential(torch.nn.Linear(3, 8), torch.nn.Tanh(), torch.nn.Linear(8, 2)).to(dtype)
        weights = [p for name, p in self.model.named_parameters() if name.endswith("weight")]
        biases = [p for name, p in self.model.named_parameters() if name.endswith("bias")]
        self.optimizer = make([{"params": weights}, {"params": biases, **options.pop("biases", {})}], **options)

    def run(self, x, y, steps=STEPS):
        for _ in range(steps):
            self.optimizer.zero_grad()
            torch.nn.functional.mse_loss(self.model(x), y).backward()
            self.optimizer.step()


def go_on(program, *rules_and_folders):
    """Runs C++ on the files in each folder; its exit status and what it wrote to stderr."""
    done = subprocess.run([program, *map(str, rules_and_folders)], capture_output=True, text=True)
    assert not done.stdout, done.stdout
    return done.returncode, done.stderr.strip()


def differences(one, other, tolerance):
    """What two trainings differ in: parameters, states and options."""

    def compare(name, a, b):
        if isinstance(a, dict) and isinstance(b, dict) and a.keys() == b.keys():
            for key in a:
                yield from compare(f"{name}.{key}", a[key], b[key])
        elif isinstance(a, (list, tuple)) and type(a) == type(b) and len(a) == len(b):
            for i, (x, y) in enumerate(zip(a, b)):
                yield from compare(f"{name}[{i}]", x, y)
        elif isinstance(a, torch.Tensor) and isinstance(b, torch.Tensor) and a.shape == b.shape and a.dtype == b.dtype:
            bound, error = tolerance * max(1, b.abs().max().item()), (a - b).abs().max().item()
            if not error <= bound:
                yield f"{name} differs by {error}, more than {bound}"
        elif isinstance(a, (dict, list, tuple, torch.Tensor)) or type(a) != type(b) or a != b:
            yield f"{name}: {a} and {b}"

    def plain(training):
        optimizer = training.optimizer.state_dict()
        for group in optimizer["param_groups"]:
            group.pop("initial_lr", None)
            group.pop("param_names", None)
            for option in ("lr", "weight_decay", "momentum", "dampening", "lr_decay", "initial_accumulator_value"):
                if option in group:
                    group[option] = float(group[option])
            group["betas"] = tuple(float(beta) for beta in group.get("betas", ()))
        return {"model": training.model.state_dict(), "optimizer": optimizer}

    return list(compare("", plain(one), plain(other)))


def case(folder, rule, dtype=None, prepare=None, save=None, tolerance=None, **options):
    """A training that goes from Python to C++, which has its turn at the yield, and back. `prepare(training)` and
    `save(state_dict, path)` take the place of ten ordinary steps and of torch.save."""
    dtype = dtype or torch.float32
    tolerance = tolerance or (1e-12 if dtype == torch.float64 else 1e-6)
    torch.manual_seed(1)
    x, y = torch.linspace(-1, 1, 12, dtype=dtype).view(4, 3), torch.linspace(1, 2, 8, dtype=dtype).view(4, 2)
    make = getattr(torch.optim, rule)
    alone = Training(make, dtype, **options)
    if prepare:
        prepare(alone, x, y)
    else:
        alone.run(x, y, 10)
    torch.save({"x": x, "y": y}, folder / "data.pt")
    torch.save(alone.model.state_dict(), folder / "model.pt")
    (save or torch.save)(copy.deepcopy(alone.optimizer.state_dict()), folder / "optimizer.pt")

    yield rule, folder
    resumed = Training(make, dtype)
    resumed.model.load_state_dict(torch.load(folder / "model_of_cpp.pt", weights_only=True))
    resumed.optimizer.load_state_dict(torch.load(folder / "optimizer_of_cpp.pt", weights_only=True))

    for who in ("C++", "Python after C++"):
        # Without moving, they would agree anyway.
        before = [p.detach().clone() for p in alone.model.parameters()]
        alone.run(x, y)
        if who != "C++":
            resumed.run(x, y)
        moved = max((p - b).abs().max().item() for p, b in zip(alone.model.parameters(), before))
        assert who != "C++" or moved > (100 if tolerance < 1e-3 else 3) * tolerance, (rule, options, moved)
        found = differences(alone, resumed, tolerance)
        assert not found, "\n".join([f"{rule} {options} {dtype}: {STEPS} steps of {who} differ:"] + found)
    print("agrees:", rule, dtype, options)


def agreeing(program, folder):
    def without_state(training, x, y):
        """The last parameters get their first gradient in C++."""
        training.model[2].requires_grad_(False)
        training.run(x, y, 10)
        training.model[2].requires_grad_(True)

    def without_steps(training, x, y):
        pass

    def old(state_dict, path):
        """As versions before 1.12 wrote it: steps as numbers, no buffer as None, fewer options."""
        for state in state_dict["state"].values():
            if "step" in state:
                state["step"] = int(state["step"])
        for group in state_dict["param_groups"]:
            for name in ("maximize", "foreach", "fused", "capturable", "differentiable", "decoupled_weight_decay"):
                group.pop(name, None)
            if "momentum" in group and group["momentum"] == 0:
                state_dict["state"].update({i: {"momentum_buffer": None} for i in group["params"]})
        torch.save(state_dict, path)

    def scheduled(state_dict, path):
        for group in state_dict["param_groups"]:
            group["initial_lr"] = 0.5
            group["param_names"] = ["one", "two"]
        torch.save(state_dict, path)

    def of_cuda(state_dict, path):
        with mock.patch("torch.serialization.location_tag", return_value="cuda:0"):
            torch.save(state_dict, path)
        assert b"cuda:0" in path.read_bytes()

    def protocol_4(state_dict, path):
        torch.save(state_dict, path, pickle_protocol=4)

    cases = []

    def check(*arguments, **options):
        own = folder / str(len(cases))
        own.mkdir()
        cases.append(case(own, *arguments, **options))

    for save in (None, old):
        check("SGD", save=save, lr=0.1)
        check("SGD", save=save, lr=0.05, momentum=0.9, dampening=0.5, weight_decay=0.01, biases={"lr": 0.02})
        check("AdamW", save=save, lr=0.01, weight_decay=0.1, biases={"lr": 0.02, "weight_decay": 0})
        check("RMSprop", torch.float64, save=save, lr=0.002, momentum=0.9, weight_decay=0.1, biases={"lr": 0.001})
        check("Adagrad", save=save, lr=0.05, lr_decay=0.1, biases={"lr": 0.1, "lr_decay": 0})
        check("Adafactor", save=save, lr=0.05, weight_decay=0.1, biases={"lr": 0.02, "d": 2.0})
    for prepare in (without_state, without_steps):
        check("SGD", prepare=prepare, lr=0.05, momentum=0.9, dampening=0.5)
        check("Adam", prepare=prepare, lr=0.01)
        check("AdamW", prepare=prepare, lr=0.01, amsgrad=True)
        check("RMSprop", torch.float64, prepare=prepare, lr=0.002, momentum=0.5)
        check("Adagrad", prepare=prepare, lr=0.05, initial_accumulator_value=0.1)
    check("SGD", lr=0.05, momentum=0.8, nesterov=True, weight_decay=0.01)
    check("SGD", lr=0.05, momentum=0.8, biases={"momentum": 0})
    check("SGD", lr=0.001, momentum=0.5, maximize=True)
    check("Adam", lr=0.01, weight_decay=0.1)
    check("Adam", lr=0.01, amsgrad=True, betas=(0.8, 0.99), eps=1e-4, biases={"betas": (0.5, 0.9)})
    check("AdamW", lr=0.01, amsgrad=True, biases={"amsgrad": False})
    check("AdamW", lr=0.001, maximize=True)
    # RMSprop divides small gradients, with their roundings, by themselves.
    centered = {"alpha": 0.8, "centered": True, "biases": {"centered": False, "momentum": 0.5}}
    check("RMSprop", torch.float64, lr=0.002, **centered)
    check("RMSprop", tolerance=1e-5, lr=0.002, eps=0.1, **centered)
    check("RMSprop", torch.float64, lr=0.0002, maximize=True)
    check("Adagrad", lr=0.05, weight_decay=0.1, eps=1e-4, initial_accumulator_value=1)
    check("Adagrad", lr=0.001, maximize=True)
    check("Adafactor", torch.float64, lr=0.05, weight_decay=0.1)
    check("Adafactor", torch.float64, lr=0.01, eps=(1e-6, 0.1), beta2_decay=-0.5, biases={"eps": (None, 1e-3)})
    check("Adafactor", lr=0.01, d=2.0, maximize=True)
    check("Adafactor", torch.bfloat16, tolerance=0.05, lr=0.05, eps=(1e-3, 1e-3))
    for lr in (torch.tensor(0.01), torch.tensor([0.01], dtype=torch.float64)):
        check("AdamW", lr=lr, capturable=False)
    for rule in ("SGD", "Adam", "AdamW", "RMSprop", "Adagrad"):
        options = {"SGD": {"momentum": 0.9}, "RMSprop": {"momentum": 0.9, "eps": 1.0}, "Adagrad": {}}
        options = options.get(rule, {"amsgrad": True})
        check(rule, torch.float64, lr=0.01, weight_decay=0.1, **options)
        # C++ computes in float32, and its state is rounded only when Python reads it.
        check(rule, torch.bfloat16, tolerance=0.05, lr=0.05, **options)
        # Python's Adam divides by 0 in float16 with the usual eps.
        eps = {} if rule == "SGD" else {"eps": 1e-3}
        check(rule, torch.float16, tolerance=0.01, lr=0.05, **{**eps, **options})
        tolerance = 1e-5 if rule == "RMSprop" else None
        for save in (scheduled, of_cuda, protocol_4):
            check(rule, save=save, tolerance=tolerance, lr=0.01, weight_decay=0.1, **options)

    # One program for all: to start it takes longer than a training.
    turns = [argument for begun in cases for argument in next(begun)]
    assert go_on(program, *turns) == (0, "")
    for begun in cases:
        assert next(begun, None) is None


def documented(program, folder):
    """The programs of docs/python.md."""

    def train(what):
        script = pathlib.Path(__file__).with_name("train.py")
        done = subprocess.run([sys.executable, script, what, folder], stdout=subprocess.PIPE, text=True, check=True)
        return done.stdout.split()

    whole, begun = train("whole"), train("begin")
    assert go_on(program, "AdamW", folder) == (0, "")
    ended = train("end")
    assert ended == whole and float(ended[1]) < 0.9 * float(begun[1]), (begun, ended, whole)
    print("train.py: begin", *begun, "end", *ended, "whole", *whole)


def refused(program, folder):
    """Files that do not fit: what is said of each."""
    x = torch.zeros(4, 3)
    torch.save({"x": x, "y": torch.zeros(4, 2)}, folder / "data.pt")

    def state_dict(rule="AdamW", **options):
        training = Training(getattr(torch.optim, rule), torch.float32, **options)
        training.run(x, torch.ones(4, 2), 2)
        torch.save(training.model.state_dict(), folder / "model.pt")
        return training.optimizer.state_dict()

    path = folder / "optimizer.pt"

    def expect(*texts, rule="AdamW"):
        kept = [folder / "model_of_cpp.pt", folder / "optimizer_of_cpp.pt"]
        for file in kept:
            file.write_bytes(b"kept")
        status, said = go_on(program, rule, folder)
        assert status == 1 and said.startswith("agmohd: ") and len(said.splitlines()) == 1, (status, said)
        for text in (str(path), *texts):
            assert text in said, (text, said)
        assert all(file.read_bytes() == b"kept" for file in kept)
        print("refused:", said)

    def expect_of(value, *texts, **options):
        torch.save(value, path)
        expect(*texts, **options)

    good = state_dict()
    path.unlink(missing_ok=True)
    expect("no such file")
    path.mkdir()
    expect("is a folder")
    path.rmdir()
    path.write_text("not an archive")
    expect("no file of Python's torch.save")
    torch.save(good, path)
    whole = path.read_bytes()
    for part in (0, 1, 100, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:part])
        expect()
    torch.save(good, path, _use_new_zipfile_serialization=False)
    expect("before 1.6")
    torch.jit.script(torch.nn.Linear(2, 2)).save(str(path))
    expect("agmohd::load")

    expect_of(torch.nn.Linear(2, 2), "torch.nn.modules.linear.Linear")
    expect_of(torch.load(folder / "model.pt"), "no state_dict() of an optimizer", "0.weight, 0.bias")
    expect_of({"model": {}, "optimizer": good}, "model, optimizer")
    expect_of([good], "type list", "must be a dict")

    def changed(change, *texts, rule="AdamW", **options):
        value = state_dict(rule, **options)
        change(value["param_groups"], value["state"])
        expect_of(value, *texts)

    def same(groups, states):
        pass

    changed(same, "group 0", "betas", "not of torch.optim.AdamW", rule="SGD")
    changed(same, "lacks the option", "not of torch.optim.AdamW", rule="NAdam")
    changed(same, "torch.optim.Adam with weight_decay = 0.1", rule="Adam", weight_decay=0.1)
    changed(lambda groups, states: groups.pop(), "has 1 parameter groups, but this optimizer has 2")
    changed(lambda groups, states: groups[1]["params"].pop(), "group 1", "has 1 parameters", "has 2")
    changed(lambda groups, states: groups[0].pop("eps"), "group 0", "lacks the option eps")
    changed(lambda groups, states: groups[0].update(lr="high"), "option lr of group 0", "type str", "must be a number")
    changed(lambda groups, states: groups[1].update(lr=-1.0), "group 1", "lr = -1", "at least 0")
    changed(lambda groups, states: groups[1].update(betas=(0.9, 2.0)), "group 1", "betas[1] = 2")
    changed(lambda groups, states: groups[1].update(betas=(0.9,)), "betas of group 1", "two numbers")
    changed(lambda groups, states: groups[1].update(amsgrad=True), "lacks the state max_exp_avg_sq of parameter 0")
    changed(lambda groups, states: groups[1].update(params=[0, 1]), "number of its own", "parameter 0 of group 1")
    changed(lambda groups, states: states.update({9: {}}), "5 states, but only 4")
    changed(lambda groups, states: states[3].pop("step"), "lacks the state step of parameter 1 of group 1")
    changed(lambda groups, states: states[3].update(step=-1), "state step of parameter 1 of group 1 is -1")
    changed(lambda groups, states: states[3].update(step=0.5), "0.5", "whole number")
    changed(lambda groups, states: states[3].update(sum=torch.ones(2)), "sum", "torch.optim.AdamW does not have")
    changed(
        lambda groups, states: states[0].update(exp_avg=torch.zeros(8, 4)),
        "state exp_avg of parameter 0 of group 0",
        "[8, 4]",
        "[8, 3]",
    )
    changed(lambda groups, states: states[0].update(exp_avg=torch.zeros(8, 3).int()), "exp_avg", "Int", "floating")
    changed(lambda groups, states: states[0].update(exp_avg=None), "lacks the state exp_avg")
    changed(lambda groups, states: states[0].update(exp_avg=3), "exp_avg", "must be a tensor")
    torch.save(good, path)
    path = folder / "model.pt"
    expect_of({}, "lacks 0.weight")
    expect_of({**torch.nn.Linear(3, 2).state_dict()}, "weight", "0.weight")
    other = torch.nn.Sequential(torch.nn.Linear(3, 8), torch.nn.Tanh(), torch.nn.Linear(8, 4))
    expect_of(other.state_dict(), "2.weight", "[4, 8]", "[2, 8]")


def main(program, others):
    if not has_torch(sys.executable):
        found = next((python for python in others[:1] if has_torch(python)), None)
        if found is None and others[1:]:
            found = install(pathlib.Path(others[1]))
        if found is None:
            print("skipped: no torch in", *[sys.executable, *others])
            return 77
        return subprocess.run([found, __file__, program]).returncode
    global torch
    import torch

    print("with torch", torch.__version__)
    with tempfile.TemporaryDirectory() as scratch:
        documented(program, pathlib.Path(scratch))
        agreeing(program, pathlib.Path(scratch))
        refused(program, pathlib.Path(scratch))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
