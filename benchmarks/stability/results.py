# SPDX-FileCopyrightText: 2026 The agmohd authors
# SPDX-License-Identifier: Apache-2.0
"""The lines that agmohd_stability wrote, and what they say of failures, recovery and learning rates."""

import json
import math
import statistics
import sys
from collections import Counter

METHODS = ["adamw", "clip", "nanskip"]
METHODS += [m + form for m in ("spam", "stablespam", "stableadamw", "zclip", "adagc", "skipstep") for form in ("", "-repaired")]
METHODS += ["agmohd", "agmohd-stabilize", "agmohd-snapshots"]
ROBUST = ["stableadamw-clip", "schedulefree-clip", "prodigy-clip", "prodigy-safeguard", "capped", "capped-tight"]
ROBUST += ["agmohd-hold"]  # see robustness.py
CALM = METHODS[:2] + ["clip-perturbed"] + METHODS[2:]  # under events and without noise
FEW = ["adamw", "clip", "nanskip", "skipstep-repaired"]  # beside AGMOHD where there is no room for all


def read(paths):
    runs, broken = {}, 0
    for path in paths:
        with open(path, encoding="utf-8") as file:
            for line in file:
                try:
                    run = json.loads(line)
                    runs[run["key"]] = run
                except (ValueError, KeyError):
                    broken += line.strip() != ""
    if broken:
        print(f"report.py: {broken} lines are no results (cut short?)", file=sys.stderr)
    return list(runs.values())


def setting(run):
    return run["task"], run["size"], run["steps"], run["device"]


def name(s):
    return f"{s[0]} ({s[1]}, {s[2]} steps, {s[3]})"


def place(run):
    return setting(run), run["seed"], run["lr"], run.get("list"), run.get("fault"), run.get("event")


def in_order(methods):
    """Each once: those of the tables in their order, then others in theirs."""
    found = list(dict.fromkeys(methods))
    return [m for m in CALM if m in found] + [m for m in found if m not in CALM]


class Results:
    def __init__(self, every):
        self.every = every
        self.events = [r for r in every if "event" in r]
        self.noise_free = [r for r in every if "largest_after_300" in r]
        calm = lambda r: "event" in r or "largest_after_300" in r
        self.runs = runs = [r for r in every if not calm(r) and r["method"] not in ROBUST]
        self.ours = [m for m in in_order(r["method"] for r in every) if m not in CALM or m.startswith("agmohd")]
        self.clean = {
            (setting(r), r["method"], r["seed"]): r for r in runs if "fault" not in r and r["lr"] == r["reference_lr"]
        }
        found = {r["method"] for r in runs}
        self.methods = [m for m in METHODS if m in found]
        self.few = [m for m in self.methods if m in FEW or m.startswith("agmohd")]
        self.ablations = sorted(found - set(METHODS), key=[r["method"] for r in runs].index)
        self.settings = sorted({setting(r) for r in runs})
        self.faults = [r for r in runs if "fault" in r and self.clean_of(r)]

    def missing(self):
        """How many runs each method lacks of those that any has."""
        lacks = Counter()
        calm = self.events + self.noise_free
        groups = [(self.runs, self.methods), (self.runs, self.ablations), (calm, in_order(r["method"] for r in calm))]
        for runs, methods in groups:
            have = {(place(r), r["method"]) for r in runs if r["method"] in methods}
            places = {p for p, _ in have}
            lacks.update({m: sum((p, m) not in have for p in places) for m in methods})
        return +lacks

    def clean_of(self, run):
        return self.clean.get((setting(run), run["method"], run["seed"]))

    def failure(self, run):
        """Why a run failed, or an empty text."""
        clean = self.clean_of(run)
        if run.get("gave_up"):
            return "gave up"
        if run["final"] is None:
            return "not finite"
        reachable = clean is None or clean is run or (clean["final"] or math.inf) < run["plateau"]
        if reachable and run["final"] >= run["plateau"]:
            return "plateau"
        compared = "fault" in run or run["lr"] > run["reference_lr"]
        if compared and clean and clean["final"] and run["final"] > 1.1 * clean["final"]:
            return "worse"
        return ""

    def excess(self, run):
        clean = self.clean_of(run)["final"]
        return run["final"] / clean - 1 if run["final"] and clean else math.inf

    def regained(self, run):
        """Steps from the end of the fault until three blocks are within 2 % of the clean run's, or infinity."""
        clean, block = self.clean_of(run), run["block"]
        first = -(-(run["fault_at"] + run["fault_steps"]) // block)
        ours, theirs = run["curve"], clean["curve"]
        for i in range(first, len(ours) - 2):
            if None in ours[i : i + 3] or None in theirs[i : i + 3]:
                continue
            if sum(ours[i : i + 3]) <= 1.02 * sum(theirs[i : i + 3]):
                return (i - first) * block
        return math.inf


class Sweep:
    """The runs of a setting without faults, over learning rates, with the seeds that all rates and methods have."""

    def __init__(self, results, s):
        runs = [r for r in results.runs if setting(r) == s and "fault" not in r and r["method"] in results.methods]
        swept = {r["method"] for r in runs if r["lr"] != r["reference_lr"]}
        self.methods = [m for m in results.methods if m in swept]
        self.at = {(r["method"], r["lr"], r["seed"]): (r["final"] or math.inf, results.failure(r) != "") for r in runs}
        whole = lambda lr, seed: all((m, lr, seed) in self.at for m in self.methods)
        seeds = sorted({r["seed"] for r in runs})
        self.rates = [lr for lr in sorted({r["lr"] for r in runs}) if any(whole(lr, seed) for seed in seeds)]
        self.seeds = [seed for seed in seeds if all(whole(lr, seed) for lr in self.rates)]
        self.reference = runs[0]["reference_lr"] if runs else 0
        self.usable = len(self.rates) > 1 and self.reference in self.rates and bool(self.seeds)

    def point(self, method, lr):
        """Median loss, failed runs."""
        here = [self.at[method, lr, seed] for seed in self.seeds]
        return statistics.median(loss for loss, _ in here), sum(failed for _, failed in here)

    def width(self, method):
        """Decades of learning rates around the reference rate without a failed run, mean over seeds."""
        middle, widths = self.rates.index(self.reference), []
        for seed in self.seeds:
            works = [not self.at[method, lr, seed][1] for lr in self.rates]
            low = high = middle
            while low > 0 and works[low - 1]:
                low -= 1
            while high + 1 < len(works) and works[high + 1]:
                high += 1
            widths.append(math.log10(self.rates[high] / self.rates[low]) if works[middle] else 0)
        return statistics.fmean(widths)

    def lines(self, methods):
        found = {}
        for m in (m for m in self.methods if m in methods):
            points = [(lr, *self.point(m, lr)) for lr in self.rates]
            found[m] = [(lr, loss, failed > 0) for lr, loss, failed in points]
        return found
