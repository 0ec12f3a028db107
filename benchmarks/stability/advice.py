#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 The agmohd authors
# SPDX-License-Identifier: Apache-2.0
"""What AGMOHD said of its learning rate at the end of each run, against what the sweep of learning rates says: a table
(Markdown) of the lines that `agmohd_stability lr` wrote.

usage: advice.py FILE.jsonl... [--loss final|held_out]
"""

import argparse
import math
from collections import Counter, defaultdict

from report import table
from results import name, read, setting

SAID = ("too small", "", "too large")
WORSE = 1.1  # times the loss at the best rate: the rate is too small, or too large


def truths(runs, loss):
    """The run of each key with what is true of its learning rate: 'too small', 'too large', or '' for right."""
    sweeps = defaultdict(list)
    for r in runs:
        if "lr_advice" in r:
            sweeps[setting(r), r["method"], r["seed"]].append(r)
    value = lambda r: math.inf if r[loss] is None or r.get("gave_up") else r[loss]
    for sweep in sweeps.values():
        best = min(sweep, key=value)
        if len(sweep) < 2 or math.isinf(value(best)):
            continue
        for r in sweep:
            right = value(r) <= WORSE * value(best)
            yield r, "" if right else "too small" if r["lr"] < best["lr"] else "too large"


def sections(runs, loss="final"):
    judged = list(truths(runs, loss))
    if not judged:
        return
    word = lambda counts: ", ".join(f"{k or 'nothing'} {n}" for k in SAID if (n := counts[k]))
    methods = dict.fromkeys(r["method"] for r, _ in judged)
    for s in sorted({setting(r) for r, _ in judged}):
        here = [(r, t) for r, t in judged if setting(r) == s]
        rows = []
        for lr in sorted({r["lr"] for r, _ in here}):
            at = [(r, t) for r, t in here if r["lr"] == lr]
            true = ", ".join(f"{k or 'right'} {n}" for k in SAID if (n := sum(t == k for _, t in at)))
            rows.append([f"{lr:g}", true, word(Counter(r["lr_advice"] for r, _ in at))])
        yield f"Advice on the learning rate: {name(s)}, {', '.join(methods)}", table(["learning rate", "true", "said"], rows)
    rows = []
    for true in SAID:
        of = Counter(r["lr_advice"] for r, t in judged if t == true)
        rows.append([true or "right"] + [str(of[k]) for k in SAID])
    yield "Advice on the learning rate, all runs", table(["true", "said too small", "said nothing", "said too large"], rows)


def main():
    parser = argparse.ArgumentParser(description="What AGMOHD said of its learning rate.")
    parser.add_argument("file", nargs="+")
    parser.add_argument("--loss", default="final", choices=("final", "held_out"))
    arguments = parser.parse_args()
    runs = [r for r in read(arguments.file) if "fault" not in r and "event" not in r and "largest_after_300" not in r]
    print("".join(f"\n### {title}\n\n{body}" for title, body in sections(runs, arguments.loss)), end="")


if __name__ == "__main__":
    main()
