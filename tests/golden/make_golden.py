#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 The agmohd authors
# SPDX-License-Identifier: Apache-2.0
"""Writes the golden trajectories: what torch.optim and other packages make of fixed gradient sequences.

    pip install -r requirements.txt
    python3 make_golden.py               # writes *.pt beside this script
    python3 make_golden.py sgd clip      # writes only these
    python3 make_golden.py --check       # writes nothing; fails if the stored files would change

sgd.py      holds the scenarios of sgd.pt, whose names begin with `sgd_`; so does every file here that is not make_*.py
            or scenario.py, which has what they share. A new rule is a new file
inputs.pt   shapes, layouts, initial values (double), gradients (double, one row a step) and which gradients exist
the rest    by name, a scenario's recipe, options, groups and, for float32 and float64, the parameters after 1, 10 and
            100 steps, the final state and each tensor's step count; `shapes` holds those of states that are not shaped
            like their tensors, [0] where a tensor has none

Every stored array is the concatenation of all tensors in order, each flattened row-major whatever its layout. float32
runs start from the doubles rounded once. Random numbers come from Python's generator and exact arithmetic, the kernels
are ATen's baseline build for CPUs, so the files should not depend on the CPU.
"""

import argparse
import importlib
import pathlib
import sys

import scenario  # before torch loads
import torch

FOLDER = pathlib.Path(__file__).parent
TOPICS = sorted(p.stem for p in FOLDER.glob("*.py") if not p.stem.startswith("make_") and p.stem != "scenario")


def make(topics):
    """File names and contents."""
    torch.set_num_threads(1)
    inputs = scenario.make_inputs()
    yield "inputs.pt", scenario.packed(inputs)
    for topic in topics:
        scenarios = importlib.import_module(topic).SCENARIOS
        assert all(name.startswith(f"{topic}_") for name in scenarios), f"a name in {topic}.py begins otherwise"
        content = {name: scenario.stored(spec, inputs) for name, spec in scenarios.items()}
        yield f"{topic}.pt", scenario.packed(content)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("topics", nargs="*", metavar="topic", help=f"default: all of {', '.join(TOPICS)}")
    parser.add_argument("--check", action="store_true", help="compare with the stored files instead of writing them")
    arguments = parser.parse_args()
    for topic in arguments.topics:
        if topic not in TOPICS:
            parser.error(f"there is no {topic}.py; there are: {', '.join(TOPICS)}")
    changed = []
    for name, content in make(arguments.topics or TOPICS):
        path = FOLDER / name
        if not arguments.check:
            path.write_bytes(content)
        elif not path.exists() or path.read_bytes() != content:
            changed.append(name)
    sys.exit(f"would change: {', '.join(changed)}" if changed else 0)


if __name__ == "__main__":
    main()
