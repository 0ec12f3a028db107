#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 The agmohd authors
# SPDX-License-Identifier: Apache-2.0
"""Puts PyTorch's times beside those of agmohd_rules_bench, on the same GPU: clip_grad_norm_ and the optimizer of
torch.optim that has the rule's name, its fused form where there is one, else foreach. Needs torch only.

    agmohd_rules_bench | python3 rules_peers.py
"""

import re
import statistics
import sys

import torch

from peers import SHAPES, timed

ROUNDS = 5
OPTIONS = {
    "SGD": {"momentum": 0.9},
    "RMSprop": {"momentum": 0.9},
}


def step_of(rule, params):
    """clip_grad_norm_ and a step, and the form it takes; None if torch.optim has no such rule."""
    kind = getattr(torch.optim, rule, None)
    if kind is None:
        return None, ""
    for form in ("fused", "foreach"):
        options = {"lr": 1e-6, form: True, **OPTIONS.get(rule, {})}
        try:
            optimizer = kind(params, **options)
            optimizer.step()
        except (TypeError, RuntimeError, NotImplementedError):
            continue
        break

    def step():
        torch.nn.utils.clip_grad_norm_(params, 1e9, foreach=True)
        optimizer.step()

    return step, form


def measure(rule, params):
    step, form = step_of(rule, params)
    if step is None:
        return "-"
    for _ in range(2):
        step()
    once = timed(step, 1, True)[2]
    count = max(3, int(0.05 / once))
    times = sorted(1e3 * timed(step, count, True)[2] / count for _ in range(ROUNDS))
    return f"{statistics.median(times):.2f} ({times[0]:.2f} to {times[-1]:.2f}), {form}"


def main():
    lines = [line.rstrip("\n") for line in sys.stdin]
    head = next(line for line in lines if "parameters, " in line)
    elements, dtype = re.search(r"(\d+) parameters, (\w+)", head).groups()
    shapes = next(s() for n, s in SHAPES.items() if n in ("gpt2_124m", "gpt2_xl") and count(s()) == int(elements))
    torch.manual_seed(1)
    params = []
    for shape in shapes:
        p = torch.empty(shape, device="cuda", dtype=getattr(torch, dtype)).normal_(0, 0.02).requires_grad_()
        p.grad = torch.empty_like(p).normal_(0, 1e-4)
        params.append(p)
    for line in lines:
        cells = line.split("|")
        rule = cells[1].strip() if len(cells) > 2 else ""
        if line.startswith("| rule"):
            line += f" PyTorch {torch.__version__}, ms |"
        elif line.startswith("|---"):
            line += "---|"
        elif rule.isalnum():
            line += f" {measure(rule, params)} |"
            torch.cuda.empty_cache()
        print(line, flush=True)


def count(shapes):
    total = 0
    for shape in shapes:
        product = 1
        for n in shape:
            product *= n
        total += product
    return total


if __name__ == "__main__":
    main()
