#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 The agmohd authors
# SPDX-License-Identifier: Apache-2.0
"""Trains with torch.optim, hands over to C++ and takes over again; all three trainings agree with one in Python alone.
Needs PyTorch; without it, it ends with 77.

    check.py <the program python_files>
"""

import pathlib
import subprocess
import sys
import tempfile

try:
    import torch
except ImportError:
    print("skipped: no torch for", sys.executable)
    sys.exit(77)

x = torch.linspace(-1, 1, 12).view(4, 3)
y = torch.linspace(1, 2, 8).view(4, 2)


def train(model, optimizer, steps):
    for _ in range(steps):
        optimizer.zero_grad()
        torch.nn.functional.mse_loss(model(x), y).backward()
        optimizer.step()


def agree(one, other):
    return all(torch.allclose(a, b, rtol=1e-5, atol=1e-6) for a, b in zip(one.parameters(), other.parameters()))


def check(program, rule, folder, **options):
    torch.manual_seed(1)
    make = getattr(torch.optim, rule)
    model = torch.nn.Linear(3, 2)
    optimizer = make([{"params": [model.weight]}, {"params": [model.bias], "lr": 0.02}], lr=0.01, **options)
    train(model, optimizer, 10)
    torch.save(model.state_dict(), folder / "model.pt")
    torch.save(optimizer.state_dict(), folder / "optimizer.pt")

    done = subprocess.run([program, rule, folder], capture_output=True, text=True)
    if done.returncode != 0 or done.stderr:
        raise AssertionError(f"{rule}: {done.returncode}\n{done.stderr}")

    resumed = torch.nn.Linear(3, 2)
    resumed.load_state_dict(torch.load(folder / "model_of_cpp.pt", weights_only=True))
    back = make([{"params": [resumed.weight]}, {"params": [resumed.bias]}])
    back.load_state_dict(torch.load(folder / "optimizer_of_cpp.pt", weights_only=True))

    train(model, optimizer, 20)
    assert agree(model, resumed), f"{rule}: 20 steps of C++ differ"
    for group, expected in zip(back.param_groups, optimizer.param_groups):
        for name, value in expected.items():
            assert name == "params" or group[name] == value, (rule, name, group[name], value)
    train(model, optimizer, 20)
    train(resumed, back, 20)
    assert agree(model, resumed), f"{rule}: 20 steps of Python after C++ differ"


with tempfile.TemporaryDirectory() as scratch:
    for rule, options in (
        ("SGD", {"momentum": 0.9, "weight_decay": 0.01}),
        ("SGD", {}),
        ("Adam", {"amsgrad": True, "betas": (0.8, 0.99)}),
        ("AdamW", {"weight_decay": 0.1}),
    ):
        check(sys.argv[1], rule, pathlib.Path(scratch), **options)
        print("kept:", rule, options)
