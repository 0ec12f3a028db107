#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 The agmohd authors
# SPDX-License-Identifier: Apache-2.0
"""The walls of include/agmohd: which folder may include which, where LibTorch's headers may stand, how long a header
may be, and a file of tests/. Prints what breaks them, and fails if something does.

    python3 walls.py [INCLUDE_DIR]
"""

import re
import statistics
import sys
from pathlib import Path

# From the ground up. A header may include those of its own folder (with its subfolders) and of lower floors.
FLOORS = [
    ["policy"],
    ["rule", "gradient", "schedule", "momentum", "hindrance", "storage", "recovery"],
    ["step"],
    ["cpu", "cuda", "tensor"],
    ["torch"],
    ["checkpoint", "monitor", "wrap", "tools"],
    ["python"],
]
WITH_TORCH = {"cpu", "cuda/host", "tensor", "torch", "checkpoint", "monitor", "wrap", "tools", "python"}
ROOT_WITH_TORCH = {"optimizer.hpp", "optimizers.hpp", "python.hpp", "agmohd.hpp"}
MOST_LINES, MOST_MEDIAN = 300, 100

root = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent.parent / "include" / "agmohd").resolve()
floor_of = {folder: level for level, folders in enumerate(FLOORS) for folder in folders}
wrong = []
lengths = []
for path in sorted([*root.rglob("*.hpp"), *root.rglob("*.cuh")]):
    name = path.relative_to(root)
    folder = name.parts[0] if len(name.parts) > 1 else ""
    text = path.read_text()
    lengths.append(len(text.splitlines()))
    if lengths[-1] > MOST_LINES:
        wrong.append(f"{name} has {lengths[-1]} lines, but at most {MOST_LINES} are allowed")
    if folder and folder not in floor_of:
        wrong.append(f"{name}: {folder}/ has no floor in {Path(__file__).name}")
        continue
    found = [path.parent / other for other in re.findall(r'^#\s*include "([^"]+\.(?:hpp|cuh))"', text, re.M)]
    found += [root / other for other in re.findall(r"^#\s*include <agmohd/([^>]+)>", text, re.M)]
    for target in found:
        target, other = target.resolve(), target.relative_to(root) if target.is_relative_to(root) else target
        if not target.exists():
            wrong.append(f"{name} includes {other}, which does not exist")
            continue
        parts = target.relative_to(root).parts
        theirs = parts[0] if len(parts) > 1 else ""
        if not folder or folder == theirs:
            if name.parts[:2] == ("cuda", "kernel") and parts[:2] == ("cuda", "host"):
                wrong.append(f"{name} includes {other}: kernels know nothing of the host's side")
            if name.parts[:2] == ("cuda", "host") and parts[:2] == ("cuda", "kernel"):
                wrong.append(f"{name} includes {other}: the host's side has no kernels")
            if folder == "cuda" and len(name.parts) == 2 and parts[:2] == ("cuda", "host"):
                wrong.append(f"{name} includes {other}: what both sides include knows neither")
            continue
        if not theirs and "/".join(parts) not in ("version.hpp",):
            wrong.append(f"{name} includes {other}: the root's headers are for programs")
        elif theirs and floor_of.get(theirs, len(FLOORS)) >= floor_of[folder]:
            wrong.append(f"{name} includes {other}: {theirs}/ is not below {folder}/")
    uses_torch = re.search(r"^#\s*include <(torch|ATen|c10|caffe2)/", text, re.M)
    home = str(name.parent) if folder else ""
    allowed = name.name in ROOT_WITH_TORCH if not folder else any(
        home == place or home.startswith(place + "/") for place in WITH_TORCH)
    if uses_torch and not allowed:
        wrong.append(f"{name} includes LibTorch, which has no place in {home or 'it'}")

for path in sorted(Path(__file__).parent.rglob("*")):
    if path.suffix in (".cpp", ".hpp", ".cu", ".cuh") and len(path.read_text().splitlines()) > MOST_LINES:
        wrong.append(f"tests/{path.relative_to(Path(__file__).parent)} has more than {MOST_LINES} lines")

median = statistics.median(lengths)
if median > MOST_MEDIAN:
    wrong.append(f"the median header has {median} lines, but at most {MOST_MEDIAN} are allowed")
print("\n".join(wrong) if wrong else f"{len(lengths)} headers, at most {max(lengths)} lines, median {median:g}: all right")
sys.exit(bool(wrong))
