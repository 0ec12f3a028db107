#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 The agmohd authors
# SPDX-License-Identifier: Apache-2.0
"""Makes tables (Markdown) of the lines that agmohd_stability wrote; with --out also report.json and charts (SVG). Files
may be of several slices and devices, and incomplete: methods are compared where all of them have a run.

usage: report.py FILE.jsonl... [--plan KEYS] [--out FOLDER] [--page PAGE.md] [--base METHOD] [--ours METHOD]
"""

import argparse
import json
import math
import os
import statistics
import sys
from collections import Counter, defaultdict

import calm
from results import METHODS, Results, Sweep, name, place, read, setting
from stats import paired
from svg import chart

INTERVENTIONS = ["clipped harder", "tensor clipped", "skipped", "rolled back", "throttled", "momentum lowered"]
INTERVENTIONS += ["impossible moment"]
BEGIN, END = "<!-- report.py: begin -->\n", "<!-- report.py: end -->\n"


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|---|" + "---:|" * (len(head) - 1)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows]) + "\n"


def number(x, form="{:.3f}"):
    return "" if x is None else form.format(x)


def common(results, methods, listed):
    """The runs with faults of a list where each of the methods has one, in the order of the list; how many
    places are left out."""
    runs = [r for r in results.faults if r["method"] in methods and r["list"] == listed]
    have = Counter(map(place, runs))
    whole = [r for r in runs if have[place(r)] == len(methods)]
    return sorted(whole, key=lambda r: r["fault_number"]), sum(n < len(methods) for n in have.values())


def by_method(runs, methods, by, cell):
    """Rows: methods; columns: what `by` says of a run, and all."""
    columns = list(dict.fromkeys(by(r) for r in runs))
    of = lambda m, c: [r for r in runs if r["method"] == m and c in (by(r), "all")]
    counts = [len(of(methods[0], c)) for c in columns + ["all"]]
    rows = [[m] + [cell(of(m, c)) for c in columns + ["all"]] for m in methods]
    return ["method"] + [f"{c}, {n}" for c, n in zip(columns + ["all"], counts)], rows


def failures(results, runs, methods, by, out):
    failed = lambda rs: sum(results.failure(r) != "" for r in rs)
    head, rows = by_method(runs, methods, by, lambda rs: str(failed(rs)))
    for row in rows:
        own = [r for r in runs if r["method"] == row[0]]
        row.append(f"{100 * failed(own) / len(own):.1f} %")
        out[row[0]] = dict(zip(head[1:], row[1:]), why=Counter(filter(None, map(results.failure, own))))
    return table(head + ["failed"], rows)


def each_fault(results, runs, methods):
    rows = []
    for fault in dict.fromkeys(r["fault"] for r in runs):
        here = [r for r in runs if r["fault"] == fault]
        failed = [[results.failure(r) != "" for r in here if r["method"] == m] for m in methods]
        rows.append([fault, str(len(failed[0]))] + [str(sum(f)) for f in failed])
    return table(["fault", "runs"] + methods, rows)


def aftermath(results, runs, methods):
    def excess(rs):
        middle = statistics.median(map(results.excess, rs))
        return "lost" if middle == math.inf else "> 1000 %" if middle > 10 else f"{100 * middle:+.1f} %"

    def regained(rs):
        steps = [results.regained(r) for r in rs]
        middle, never = statistics.median(steps), steps.count(math.inf)
        return ("never" if middle == math.inf else f"{middle:.0f}") + (f" ({never})" if never else "")

    def skipped(rs):
        counted = [r["tally"].get("skipped", 0) for r in rs if "tally" in r]
        return f"{statistics.fmean(counted):.1f}" if counted else ""

    made = lambda cell: table(*by_method(runs, methods, lambda r: r["group"], cell))
    yield "Median excess of the final loss over the clean run", made(excess)
    yield "Median steps to regain the clean run's loss (runs that never did)", made(regained)
    yield "Steps skipped in a run with a fault, mean", made(skipped)


def differences(results, base, method, s, value):
    """Pairs of healthy runs of a method and the base, by seed."""
    pairs = []
    for (where, m, seed), run in results.clean.items():
        other = results.clean.get((where, base, seed))
        if m == method and other and (s is None or s == where) and run[value] and other[value]:
            pairs.append((run[value], other[value]))
    return pairs


def parity(results, base, methods, settings, values, out):
    """Differences of healthy runs: relative ones over all tasks (setting None), else in nats."""
    rows = []
    for method in (m for m in methods if m != base):
        for s in settings:
            for value in values:
                pairs = differences(results, base, method, s, value)
                if not pairs:
                    continue
                scale, unit = (100, " %") if s is None else (1, "")
                mean, half, p, sign = paired([scale * (a / b - 1 if s is None else a - b) for a, b in pairs])
                same = sum(a == b for a, b in pairs)
                where = "all" if s is None else name(s)
                out[f"{where} {method} {value}"] = {
                    "pairs": len(pairs), "mean": mean, "half_width": half, "p_t": p, "p_sign": sign, "equal": same
                }
                interval = "" if half is None else f"{mean - half:+.4f} to {mean + half:+.4f}{unit}"
                row = [method] + ([] if s is None else [name(s)]) + [value.replace("_", " ")]
                rows.append(row + [str(len(pairs)), str(same), f"{mean:+.4f}{unit}", interval, number(p), number(sign)])
    head = ["method"] + ([] if None in settings else ["task"])
    head += ["loss", "pairs", "equal", "mean difference", "95 % interval", "p (t)", "p (sign)"]
    return table(head, rows) if rows else ""


def interventions(results, methods, out):
    rows = []
    for method in methods:
        runs = [r for (_, m, _), r in results.clean.items() if m == method and "tally" in r]
        steps = sum(r["steps"] for r in runs)
        if steps:
            counts = {k: 1e4 * sum(r["tally"].get(k, 0) for r in runs) / steps for k in INTERVENTIONS + ["clipped"]}
            out[method] = {"steps": steps, **counts}
            rows.append([method, str(steps)] + [f"{v:.1f}" for v in counts.values()])
    return table(["method", "steps"] + INTERVENTIONS + ["any clip"], rows) if rows else ""


def sweep_table(sweep, out):
    finite = [p[0] for m in sweep.methods for lr in sweep.rates if not (p := sweep.point(m, lr))[1]]
    best, rows = min(finite, default=0), []
    for m in sweep.methods:
        points = [sweep.point(m, lr) for lr in sweep.rates]
        cells = [("lost" if p[0] == math.inf else f"{p[0]:.3f}") + (f" ({p[1]})" if p[1] else "") for p in points]
        basin = sum(p[0] <= 1.02 * best for p in points)
        rows.append([m] + cells + [str(basin)])
        out[m] = {"rates": sweep.rates, "points": points, "basin": basin, "decades": sweep.width(m)}
    return table(["method"] + [f"{lr:g}" for lr in sweep.rates] + ["within 2 % of the best"], rows)


def ranges(sweeps, base):
    """Over all settings: the range of working learning rates and the failed runs of each method."""
    rows = []
    methods = [m for m in METHODS if sweeps and all(m in sweep.methods for sweep in sweeps)]
    mean = lambda m: statistics.fmean(sweep.width(m) for sweep in sweeps)
    for m in methods:
        points = [sweep.at[m, lr, seed][1] for sweep in sweeps for lr in sweep.rates for seed in sweep.seeds]
        ratio = f"{mean(m) / mean(base):.2f}" if base in methods and mean(base) else ""
        rows.append([m, f"{mean(m):.2f}", ratio, f"{sum(points)}/{len(points)}"])
    return table(["method", "working decades", f"of {base}'s", "failed"], rows) if rows else ""


def fault_charts(results, folder):
    """A chart of each fault and setting: the losses of a few methods with the first seed."""
    places = defaultdict(dict)
    for run in sorted(results.faults, key=lambda r: r["seed"]):
        if run["method"] in results.few:
            places[setting(run), run["list"], run["fault"]].setdefault(run["method"], run)
    for (s, listed, fault), runs in places.items():
        lines = {}
        for method in (m for m in results.few if m in runs):
            run = runs[method]
            losses = [math.inf if y is None else y for y in run["curve"]]
            lines[method] = [((i + 0.5) * run["block"], y, False) for i, y in enumerate(losses)]
        mark = next(iter(runs.values()))["fault_at"]
        text = chart(f"{name(s)}: {fault}", "step", "training loss", lines, mark=mark)
        save(os.path.join(folder, f"fault-{s[0]}-{s[2]}-{s[3]}-{listed}-{fault}.svg"), text)


def save(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def summary(results, plan):
    steps, minutes = (sum(r[k] for r in results.every) for k in ("steps", "seconds"))
    text = f"{len(results.every)} runs, {steps} steps, {minutes / 60:.0f} minutes of workers."
    lacks = results.missing()
    if plan:
        with open(plan, encoding="utf-8") as file:
            planned = set(file.read().split())
        absent = len(planned - {r["key"] for r in results.every})
        text += f" {absent} of {len(planned)} planned runs are missing."
    elif lacks:
        text += f" {sum(lacks.values())} are missing ({', '.join(f'{m} {n}' for m, n in lacks.items())})."
    return text + "\n"


def report(results, base, ours, plan, out):
    """Yields headings and texts."""
    lists = sorted({r["list"] for r in results.faults})
    for listed in lists:
        runs, dropped = common(results, results.methods, listed)
        if runs:
            left = f"\nLeft out, as a method lacks a run: {dropped}.\n" if dropped else ""
            words = "failed runs; in the heading the number of runs of each method"
            text = failures(results, runs, results.methods, lambda r: r["group"], out["failures"][listed])
            yield f"Faults of the {listed} list: {words}", text + left
            text = failures(results, runs, results.methods, lambda r: name(setting(r)), out["tasks"][listed])
            yield "The same by task", text
            yield "Failed runs of each fault", each_fault(results, runs, results.few)
            yield from aftermath(results, runs, results.methods)
    yield from calm.sections(results, base, out)
    every = parity(results, base, results.methods, [None], ["final"], out["parity"])
    yield f"Healthy runs: final loss against {base}, paired, relative, over all tasks", every
    agmohds = [m for m in results.methods if m.startswith("agmohd")]
    text = parity(results, base, agmohds, results.settings, ["final", "held_out"], out["parity"])
    yield f"Healthy runs against {base} by task, in nats", text
    yield "Interventions in 10 000 steps of healthy runs", interventions(results, results.methods, out["interventions"])
    sweeps = [(s, sweep) for s in results.settings if (sweep := Sweep(results, s)).usable]
    yield "Range of learning rates that work", ranges([sweep for _, sweep in sweeps], base)
    for s, sweep in sweeps:
        text = sweep_table(sweep, out["sweep"][name(s)])
        yield f"Final loss by learning rate (failed runs): {name(s)}, seeds: {len(sweep.seeds)}", text
    of = [m for m in [ours] if m in results.methods] + results.ablations
    for listed in lists if results.ablations else []:
        runs, _ = common(results, of, listed)
        if runs:
            text = failures(results, runs, of, lambda r: r["group"], out["ablation"][listed])
            yield f"Ablation: failed runs, {listed} list, {', '.join(sorted({r['task'] for r in runs}))}", text
            yield "Ablation: median excess of the final loss", next(aftermath(results, runs, of))[1]
    text = parity(results, base, results.ablations, [None], ["final"], out["parity"])
    yield f"Ablation: healthy runs against {base}", text


def write_page(path, text):
    with open(path, encoding="utf-8") as file:
        page = file.read()
    if page.count(BEGIN) != 1 or page.count(END) != 1:
        sys.exit(f"report.py: {path} has no place for tables: {BEGIN.strip()} and {END.strip()}, each once")
    before, rest = page.split(BEGIN)
    save(path, before + BEGIN + "\n" + text + "\n" + END + rest.split(END)[1])


def main():
    parser = argparse.ArgumentParser(description="Tables and charts of the results of agmohd_stability.")
    parser.add_argument("file", nargs="+")
    parser.add_argument("--plan", metavar="KEYS", help="what --list-runs printed: says how many runs are missing")
    parser.add_argument("--out", metavar="FOLDER", help="where report.json and the charts go")
    parser.add_argument("--page", metavar="PAGE.md", help="a page between whose marks the tables go")
    parser.add_argument("--base", default="clip", help="the method that others are compared with (default: clip)")
    parser.add_argument("--ours", default="agmohd", help="what the ablations are of (default: agmohd)")
    arguments = parser.parse_args()
    results = Results(read(arguments.file))
    if not results.every:
        sys.exit("report.py: there are no results")
    out = defaultdict(lambda: defaultdict(dict))
    sections = report(results, arguments.base, arguments.ours, arguments.plan, out)
    text = summary(results, arguments.plan) + "".join(f"\n### {title}\n\n{body}" for title, body in sections if body)
    print(text, end="")
    if arguments.page:
        write_page(arguments.page, text)
    if arguments.out:
        os.makedirs(arguments.out, exist_ok=True)
        save(os.path.join(arguments.out, "report.json"), json.dumps(out, indent=1) + "\n")
        best = [m for m in results.methods if m + "-repaired" not in results.methods]
        for s in results.settings:
            sweep = Sweep(results, s)
            if sweep.usable:
                lines = sweep.lines(best)
                text = chart(f"{name(s)}: learning rates", "learning rate", "final loss", lines, log_x=True)
                save(os.path.join(arguments.out, f"lr-{s[0]}-{s[1]}-{s[2]}-{s[3]}.svg"), text)
        fault_charts(results, arguments.out)


if __name__ == "__main__":
    main()
