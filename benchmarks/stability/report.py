#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 The agmohd authors
# SPDX-License-Identifier: Apache-2.0
"""Makes tables (Markdown, on the standard output) of the lines that agmohd_stability wrote, and with --out also
report.json and charts (SVG): final loss against learning rate, and what follows a fault.

usage: report.py FILE.jsonl... [--out FOLDER] [--base METHOD] [--ours METHOD]
"""

import argparse
import json
import math
import os
import statistics
import sys
from collections import Counter, defaultdict

from svg import chart

METHODS = ("adamw", "clip", "nanskip", "skipstep", "zclip", "adagc", "stablespam", "agmohd")
INTERVENTIONS = ("skipped", "clipped harder", "throttled", "momentum lowered", "impossible moment", "rolled back")
PROTOCOL = """A run failed if its final loss is not finite, or more than 10 % above that of the same method's clean run (same seed,
length, size, reference learning rate), or not below the plateau, or if the optimizer gave up. In the learning-rate
sweep the second condition counts above the reference rate alone; the third counts where the clean run is below."""


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
    return run["task"], run["size"], run["steps"]


class Results:
    def __init__(self, runs):
        self.runs = runs
        self.clean = {
            (setting(r), r["method"], r["seed"]): r for r in runs if "fault" not in r and r["lr"] == r["reference_lr"]
        }
        found = {r["method"] for r in runs}
        self.methods = [m for m in METHODS if m in found]
        self.ablations = sorted(found - set(METHODS), key=[r["method"] for r in runs].index)
        self.settings = sorted({setting(r) for r in runs})
        self.faults = [r for r in runs if "fault" in r and self.clean_of(r)]

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

    def regained(self, run):
        """Steps from the end of the fault until three blocks are within 2 % of the clean run's, or None."""
        clean, block = self.clean_of(run), run["block"]
        first = -(-(run["fault_at"] + run["fault_steps"]) // block)
        ours, theirs = run["curve"], clean["curve"]
        for i in range(first, len(ours) - 2):
            if None in ours[i : i + 3] or None in theirs[i : i + 3]:
                continue
            if sum(ours[i : i + 3]) <= 1.02 * sum(theirs[i : i + 3]):
                return (i - first) * block
        return None


def t_density(x, n):
    log = math.lgamma((n + 1) / 2) - math.lgamma(n / 2) - 0.5 * math.log(n * math.pi)
    return math.exp(log - (n + 1) / 2 * math.log1p(x * x / n))


def t_below(x, n):
    """The distribution function of Student's t with n degrees of freedom, by Simpson's rule."""
    if x < 0:
        return 1 - t_below(-x, n)
    if x > 1000:
        return 1.0
    parts = 2000
    h = x / parts
    inner = sum((4 if i % 2 else 2) * t_density(i * h, n) for i in range(1, parts))
    return min(1.0, 0.5 + (t_density(0, n) + inner + t_density(x, n)) * h / 3)


def t_quantile(n):
    """The half width of a 95 % interval, in standard errors."""
    low, high = 0.0, 1000.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if t_below(middle, n) < 0.975 else (low, middle)
    return low


def paired(differences):
    """Mean, half width of the 95 % interval, p of the paired t test, p of the sign test."""
    n = len(differences)
    mean = statistics.fmean(differences)
    if n < 2:
        return mean, None, None, None
    error = statistics.stdev(differences) / math.sqrt(n)
    p = 1.0 if error == 0 and mean == 0 else 0.0 if error == 0 else 2 * (1 - t_below(abs(mean) / error, n - 1))
    signs = [d for d in differences if d != 0]
    k = min(sum(d > 0 for d in signs), sum(d < 0 for d in signs))
    tail = sum(math.comb(len(signs), i) for i in range(k + 1)) / 2 ** len(signs)
    return mean, t_quantile(n - 1) * error, p, min(1.0, 2 * tail)


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|---|" + "---:|" * (len(head) - 1)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows]) + "\n"


def number(x, form="{:.3f}"):
    return "" if x is None else form.format(x)


def name(s):
    return f"{s[0]} ({s[1]}, {s[2]} steps)"


def common(results, methods, listed):
    """The runs with faults of a list, as far as each of the methods has them, in the order of the list."""
    place = lambda r: (setting(r), r["seed"], r["fault"])
    runs = [r for r in results.faults if r["method"] in methods and r["list"] == listed]
    have = Counter(map(place, runs))
    return sorted((r for r in runs if have[place(r)] == len(methods)), key=lambda r: r["fault_number"])


def failures(results, methods, listed, by, out):
    """Rows: `by` of a fault; columns: methods; failed/runs."""
    cells, reasons, order = defaultdict(lambda: [0, 0]), Counter(), []
    for run in common(results, methods, listed):
        row, reason = run[by], results.failure(run)
        if row not in order:
            order.append(row)
        for key in ((row, run["method"]), ("all", run["method"])):
            cells[key][0] += reason != ""
            cells[key][1] += 1
        if reason:
            reasons[run["method"], reason] += 1
    shown = [
        [row] + [f"{cells[row, m][0]}/{cells[row, m][1]}" for m in methods] for row in order + (["all"] if order else [])
    ]
    out[f"{listed} {by}"] = {f"{row} {m}": cells[row, m] for row in order + ["all"] for m in methods}
    why = defaultdict(list)
    for (method, reason), count in sorted(reasons.items()):
        why[method].append(f"{reason} {count}")
    text = "; ".join(f"{m}: {', '.join(why[m])}" for m in methods if why[m])
    return table([by] + methods, shown) + (f"\nWhy: {text}.\n" if text else "") if order else ""


def aftermath(results, methods, listed, out):
    rows = []
    common_runs = common(results, methods, listed)
    for group in dict.fromkeys(r["group"] for r in common_runs):
        row = [group]
        for method in methods:
            runs = [r for r in common_runs if r["group"] == group and r["method"] == method]
            excess = [r["final"] / results.clean_of(r)["final"] - 1 if r["final"] else math.inf for r in runs]
            steps = [results.regained(r) for r in runs]
            back = [s for s in steps if s is not None]
            middle = statistics.median(excess)
            out[f"{listed} {group} {method}"] = {"excess": middle if middle < math.inf else None, "regained": steps}
            never = f", never {len(steps) - len(back)}" if len(back) < len(steps) else ""
            row.append(
                ("lost" if middle == math.inf else f"{100 * middle:+.1f} %")
                + (f"; {statistics.median(back):.0f}" if back else "; ")
                + never
            )
        rows.append(row)
    return table(["group"] + methods, rows) if rows else ""


def parity(results, base, methods, out):
    rows = []
    for s in results.settings:
        for method in methods:
            pairs = [
                (run, results.clean.get((s, base, seed)))
                for (where, m, seed), run in results.clean.items()
                if where == s and m == method and method != base
            ]
            pairs = [(a, b) for a, b in pairs if b]
            for value in ("final", "held_out"):
                usable = [(a[value], b[value]) for a, b in pairs if a[value] and b[value]]
                if not usable:
                    continue
                mean, half, p, sign = paired([a - b for a, b in usable])
                same = sum(a == b for a, b in usable)
                out[f"{name(s)} {method} {value}"] = {
                    "pairs": len(usable), "mean": mean, "half_width": half, "p_t": p, "p_sign": sign, "equal": same
                }
                interval = "" if half is None else f"{mean - half:+.5f} to {mean + half:+.5f}"
                rows.append(
                    [name(s), method, value.replace("_", " "), str(len(usable)), str(same), f"{mean:+.5f}", interval,
                     number(p), number(sign)]
                )
    head = ["task", "method", "loss", "pairs", "equal", "mean difference", "95 % interval", "p (t)", "p (sign)"]
    return table(head, rows) if rows else ""


def interventions(results, out):
    rows = []
    for method in results.methods + results.ablations:
        for s in results.settings:
            runs = [r for (where, m, _), r in results.clean.items() if m == method and where == s and "tally" in r]
            steps = sum(r["steps"] for r in runs)
            if not steps:
                continue
            counts = {k: 1e4 * sum(r["tally"].get(k, 0) for r in runs) / steps for k in INTERVENTIONS + ("clipped",)}
            out[f"{method} {name(s)}"] = {"steps": steps, **counts}
            if method in results.methods:
                rows.append([method, name(s), str(steps)] + [f"{v:.1f}" for v in counts.values()])
    return table(["method", "task", "steps"] + list(INTERVENTIONS) + ["base clip"], rows) if rows else ""


def sweep(results, s, out):
    """Final loss over learning rates; a failed run is marked, and counted as infinite."""
    runs = [r for r in results.runs if setting(r) == s and "fault" not in r and r["method"] in results.methods]
    rates = sorted({r["lr"] for r in runs})
    if len(rates) < 2:
        return "", None
    seeds = set.intersection(*({r["seed"] for r in runs if r["lr"] == lr} for lr in rates))
    rows, lines, points = [], {}, {}
    for method in results.methods:
        for lr in rates:
            here = [r for r in runs if r["method"] == method and r["lr"] == lr and r["seed"] in seeds]
            if here:
                failed = [r for r in here if results.failure(r)]
                loss = statistics.median(r["final"] if r["final"] is not None else math.inf for r in here)
                points[method, lr] = loss, len(failed), len(here)
    finite = [loss for loss, failed, _ in points.values() if not failed and loss < math.inf]
    if not finite:
        return "", None
    best = min(finite)
    for method in results.methods:
        own = [points.get((method, lr)) for lr in rates]
        if not any(own):
            continue
        lines[method] = [(lr, p[0], p[1] > 0) for lr, p in zip(rates, own) if p]
        cells = [
            "" if p is None else ("lost" if p[0] == math.inf else f"{p[0]:.3f}") + (f" ({p[1]} failed)" if p[1] else "")
            for p in own
        ]
        basin = sum(1 for p in own if p and p[0] <= 1.02 * best)
        total = sum(p[2] for p in own if p)
        failed = sum(p[1] for p in own if p)
        rows.append([method] + cells + [str(basin), f"{failed}/{total}"])
        out[f"{name(s)} {method}"] = {"rates": rates, "points": own, "basin": basin, "failed": failed, "runs": total}
    head = ["method"] + [f"{lr:g}" for lr in rates] + ["within 2 % of the best", "failed"]
    return f"**{name(s)}**, seeds: {len(seeds)}\n\n" + table(head, rows), lines


def curves(results, folder):
    """A chart of each fault and setting: the losses of all methods with the first seed."""
    places = defaultdict(dict)
    for run in results.faults:
        if run["method"] in results.methods:
            places[setting(run), run["list"], run["fault"]].setdefault(run["method"], run)
    for (s, listed, fault), runs in places.items():
        lines = {}
        for method, run in runs.items():
            middle = [(i + 0.5) * run["block"] for i in range(len(run["curve"]))]
            lines[method] = [(x, math.inf if y is None else y, False) for x, y in zip(middle, run["curve"])]
        text = chart(f"{name(s)}: {fault}", "step", "training loss", lines, mark=next(iter(runs.values()))["fault_at"])
        save(os.path.join(folder, f"fault-{s[0]}-{s[2]}-{listed}-{fault}.svg"), text)


def save(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def main():
    parser = argparse.ArgumentParser(description="Tables and charts of the results of agmohd_stability.")
    parser.add_argument("file", nargs="+")
    parser.add_argument("--out", metavar="FOLDER", help="where report.json and the charts go")
    parser.add_argument("--base", default="clip", help="the method that others are compared with (default: clip)")
    parser.add_argument("--ours", default="agmohd", help="what the ablations are of (default: agmohd)")
    arguments = parser.parse_args()
    results = Results(read(arguments.file))
    if not results.runs:
        sys.exit("report.py: there are no results")
    if arguments.out:
        os.makedirs(arguments.out, exist_ok=True)
    out = defaultdict(dict)
    seconds = sum(r["seconds"] for r in results.runs)
    print(f"{len(results.runs)} runs, {sum(r['steps'] for r in results.runs)} steps, {seconds / 60:.0f} minutes of workers\n")
    print(PROTOCOL + "\n")

    def section(title, text):
        if text:
            print(f"### {title}\n\n{text}")

    lists = sorted({r["list"] for r in results.faults})
    for listed in lists:
        for by, words in (("group", "kind of fault"), ("task", "task"), ("fault", "fault")):
            text = failures(results, results.methods, listed, by, out["failures"])
            section(f"Failed runs by {words}, {listed} list", text)
        section(
            f"Excess of the final loss over the clean run, and steps to regain its loss (medians), {listed} list",
            aftermath(results, results.methods, listed, out["aftermath"]),
        )
    section(f"Healthy runs against {arguments.base}", parity(results, arguments.base, results.methods, out["parity"]))
    section("Interventions in 10 000 steps of healthy runs", interventions(results, out["interventions"]))
    charts = [(s, *sweep(results, s, out["sweep"])) for s in results.settings]
    section("Final loss by learning rate", "\n".join(text for _, text, _ in charts if text))
    if results.ablations:
        of = [m for m in [arguments.ours] if m in results.methods] + results.ablations
        for listed in lists:
            section(f"Ablation: failed runs, {listed} list", failures(results, of, listed, "group", out["ablation"]))
            section(
                f"Ablation: excess and recovery, {listed} list",
                aftermath(results, of, listed, out["ablation_aftermath"]),
            )
        section(
            f"Ablation: healthy runs against {arguments.base}",
            parity(results, arguments.base, results.ablations, out["ablation_parity"]),
        )
    if arguments.out:
        save(os.path.join(arguments.out, "report.json"), json.dumps(out, indent=1) + "\n")
        for s, _, lines in charts:
            if lines:
                text = chart(f"{name(s)}: learning rates", "learning rate", "final loss", lines, log_x=True)
                save(os.path.join(arguments.out, f"lr-{s[0]}-{s[2]}.svg"), text)
        curves(results, arguments.out)


if __name__ == "__main__":
    main()
