#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 The agmohd authors
# SPDX-License-Identifier: Apache-2.0
"""Tables (Markdown) of how much the learning rate matters to each method, and of what AGMOHD said of its learning rate,
from the lines that `agmohd_stability lr` wrote; robustness.sh runs it.

usage: robustness.py FILE.jsonl... [--page PAGE.md] [--base METHOD] [--loss final|held_out]
"""

import argparse
import math
import statistics
from collections import defaultdict

import advice
from report import table, write_page
from results import name, read, setting

WITHIN = 1.1  # of the best loss of the base, or of the method itself
RATIO = "{:.3g}"


class Curves:
    """Losses over learning rates of each setting, method and seed: those that all methods have at the same rates."""

    def __init__(self, runs, loss):
        found = defaultdict(dict)
        for r in runs:
            lost = r[loss] is None or r.get("gave_up")
            found[setting(r), r["method"], r["seed"]][r["lr"]] = math.inf if lost else r[loss]
        self.settings = sorted({s for s, _, _ in found})
        self.methods = list(dict.fromkeys(r["method"] for r in runs))
        rates = sorted({lr for curve in found.values() for lr in curve})
        whole = lambda s, seed: all(len(found[s, m, seed]) == len(rates) for m in self.methods)
        self.seeds = {s: [seed for seed in sorted({k[2] for k in found if k[0] == s}) if whole(s, seed)] for s in self.settings}
        self.at = {k: [curve.get(lr, math.inf) for lr in rates] for k, curve in found.items()}
        self.rates = rates


def crossing(rates, losses, inside, outside, bound):
    """The learning rate between two neighbours where the loss, a power of the rate, is the bound."""
    low, high = losses[inside], losses[outside]
    if not math.isfinite(high) or high <= low:
        return rates[inside]
    part = math.log(bound / low) / math.log(high / low)
    return rates[inside] * (rates[outside] / rates[inside]) ** part


def width(rates, losses, bound):
    """The quotient of the ends of the range around the best rate with losses up to the bound (0: there is none), and
    whether it ends within the rates."""
    best = min(range(len(rates)), key=losses.__getitem__)
    if losses[best] > bound:
        return 0, True
    low = high = best
    while low > 0 and losses[low - 1] <= bound:
        low -= 1
    while high + 1 < len(rates) and losses[high + 1] <= bound:
        high += 1
    bottom = crossing(rates, losses, low, low - 1, bound) if low > 0 else rates[0]
    top = crossing(rates, losses, high, high + 1, bound) if high + 1 < len(rates) else rates[-1]
    return top / bottom, low > 0 and high + 1 < len(rates)


def spread(values, form="{:+.1f} %"):
    middle = form.format(statistics.fmean(values))
    return middle if len(values) < 2 else f"{middle} ({form.format(min(values))} to {form.format(max(values))})"


def geometric(values):
    return math.exp(statistics.fmean(map(math.log, values))) if values and min(values) > 0 else 0


def rows_of(curves, s, base):
    """A row of each method: geometric means over the seeds."""
    own_best = {(m, seed): min(curves.at[s, m, seed]) for m in curves.methods for seed in curves.seeds[s]}
    for m in curves.methods:
        of_base, of_own, excess, tops = [], [], [], []
        for seed in curves.seeds[s]:
            losses = curves.at[s, m, seed]
            of_base.append(width(curves.rates, losses, WITHIN * own_best[base, seed]))
            of_own.append(width(curves.rates, losses, WITHIN * own_best[m, seed]))
            excess.append(100 * (own_best[m, seed] / own_best[base, seed] - 1))
            tops.append(curves.rates[min(range(len(losses)), key=losses.__getitem__)])
        cell = lambda ws: ("" if all(closed for _, closed in ws) else ">= ") + RATIO.format(geometric([w for w, _ in ws]))
        failed = sum(math.isinf(x) for seed in curves.seeds[s] for x in curves.at[s, m, seed])
        yield m, geometric([w for w, _ in of_base]), [
            cell(of_base), cell(of_own), spread(excess), RATIO.format(geometric(tops)), str(failed)
        ]


def sections(curves, base):
    head = ["method", f"width, {base}'s best", "width, own best", f"best loss over {base}'s", "best rate", "lost runs"]
    widths = defaultdict(list)
    for s in curves.settings:
        if not curves.seeds[s]:
            yield name(s), "No seed has all rates of all methods.\n"
            continue
        rows = list(rows_of(curves, s, base))
        for m, w, _ in rows:
            widths[m].append(w)
        yield f"{name(s)}, seeds: {len(curves.seeds[s])}", table(head, [[m] + cells for m, _, cells in rows])
        medians = []
        for m in curves.methods:
            at = zip(*(curves.at[s, m, seed] for seed in curves.seeds[s]))
            medians.append([m] + ["lost" if math.isinf(x := statistics.median(l)) else f"{x:.3f}" for l in at])
        yield "Median loss by learning rate", table(["method"] + [f"{lr:g}" for lr in curves.rates], medians)
    of_base = geometric(widths[base])
    rows = [[m, RATIO.format(geometric(w)), f"{geometric(w) / of_base:.2f}" if of_base else ""] for m, w in widths.items()]
    if rows:
        yield "All tasks: geometric mean of the widths", table(["method", f"width, {base}'s best", f"of {base}'s"], rows)


def main():
    parser = argparse.ArgumentParser(description="How much the learning rate matters.")
    parser.add_argument("file", nargs="+")
    parser.add_argument("--page", metavar="PAGE.md", help="a page between whose marks the tables go")
    parser.add_argument("--base", default="clip")
    parser.add_argument("--loss", default="final", choices=("final", "held_out"))
    arguments = parser.parse_args()
    runs = [r for r in read(arguments.file) if "fault" not in r and "event" not in r and "largest_after_300" not in r]
    text = f"{len(runs)} runs, {sum(r['seconds'] for r in runs) / 60:.0f} minutes of cores; loss: {arguments.loss}. The width is "
    text += "the quotient of the largest and the smallest learning rate whose loss is at most 10 % above the best one of "
    text += f"{arguments.base}, or of the method itself; between two rates the loss is taken as a power of the rate. >=: "
    text += "the range ends beyond the rates that were tried.\n"
    every = [*sections(Curves(runs, arguments.loss), arguments.base), *advice.sections(runs)]
    text += "".join(f"\n### {title}\n\n{body}" for title, body in every)
    print(text, end="")
    if arguments.page:
        write_page(arguments.page, text)


if __name__ == "__main__":
    main()
