#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 The agmohd authors
# SPDX-License-Identifier: Apache-2.0
"""Makes Markdown tables of the JSON of agmohd_bench --benchmark_out=FILE and of peers.py. Rows of the same lineup in
several files stand in one table; the first file that has a row gives it.

usage: table.py FILE.json... [--only REGEX]
"""

import argparse
import json
import re
import sys


def number(value, digits=3):
    """Three significant digits, without an exponent."""
    if value == 0:
        return "0"
    decimals = digits
    for limit in (1, 10, 100):
        if abs(value) >= limit:
            decimals -= 1
    return f"{value:,.{max(decimals, 0)}f}"


def read(paths):
    """Where each file was measured, and {lineup: {row: {aggregate: entry}}} in the order of the files."""
    contexts, lineups = [], {}
    for path in paths:
        with open(path, encoding="utf-8") as file:
            data = json.load(file)
        contexts.append(where(data["context"]))
        here = {}
        for entry in data["benchmarks"]:
            if entry.get("error_occurred"):
                sys.exit(f"{path}: {entry['name']}: {entry.get('error_message')}")
            device, shapes, row, *of = re.sub("/(iterations|repeats|manual_time).*", "", entry["run_name"]).split("/")
            kind = "launches" if of else row if row in ("memory", "training_loop") else "steps"
            once = entry["run_type"] == "iteration"
            if once and kind == "steps":
                if entry.get("repetitions", 1) > 1:
                    continue  # the aggregates say it
                names = ("median", "min", "max")
            else:
                names = ("once",) if once else (entry["aggregate_name"],)
            rows = here.setdefault(f"{device}/{shapes}", {}).setdefault(kind, {})
            for name in names:
                rows.setdefault(of[0] if of else row, {})[name] = entry
        for lineup, kinds in here.items():
            for kind, rows in kinds.items():
                known = lineups.setdefault(lineup, {}).setdefault(kind, {})
                known.update({row: found for row, found in rows.items() if row not in known})
    return contexts, lineups


def where(context):
    parts = [context["processor"]]
    parts += [f"{context['threads']} threads"] if "threads" in context else []
    parts += [context[key] for key in ("gpu",) if key in context]
    parts += [f"LibTorch {context['libtorch']}"]
    parts += [f"CUDA {context['cuda']}"] if "cuda" in context else []
    return f"{', '.join(parts)}; {context['date'][:10]}"


def steps(rows, cuda):
    yield ["", "ms a step", "min to max", "bytes a parameter", "GB/s", "of copy", "times torch"] + (
        ["wall ms", "host ms", "host us a tensor"] if cuda else []
    )
    torch = {row: found["median"]["real_time"] for row, found in rows.items() if row.startswith("torch_")}
    for row, found in rows.items():
        median = found["median"]
        stock = median.get("times_torch")
        if stock is None and row.startswith("pytorch_"):
            stock = torch.get("torch_clip_adamw" if "_clip_" in row else "torch_adamw", 0) / median["real_time"]
        yield [
            f"`{row}`: {median['label']}",
            number(median["real_time"]),
            f"{number(found['min']['real_time'])} to {number(found['max']['real_time'])}",
            f"{median['bytes_a_parameter']:g}",
            number(median["GB/s"]),
            f"{median['share_of_copy']:.3f}",
            f"{stock:.2f}" if stock else "",
        ] + ([number(median[key]) for key in ("wall_ms", "host_ms", "host_us_a_tensor")] if cuda else [])


def launches(rows):
    counters = ["kernels", "copies", "memsets", "synchronisations", "allocations"]
    yield ["a warm step"] + counters
    for row, found in rows.items():
        yield [f"`{row}`"] + [f"{found['once'][counter]:g}" for counter in counters]


def show(table):
    table = [list(row) for row in table]
    table.insert(1, ["---"] + ["---:"] * (len(table[0]) - 1))
    widths = [max(len(row[i]) for row in table) for i in range(len(table[0]))]
    for row in table:
        first = row[0].ljust(widths[0])
        print("| " + " | ".join([first] + [c.rjust(w) for c, w in zip(row[1:], widths[1:])]) + " |")


def main():
    parser = argparse.ArgumentParser(description="Markdown tables of the JSON of agmohd_bench and peers.py.")
    parser.add_argument("file", nargs="+")
    parser.add_argument("--only", default="", metavar="REGEX", help="lineups to show, e.g. ^cuda/")
    arguments = parser.parse_args()
    contexts, lineups = read(arguments.file)
    print("\n".join(dict.fromkeys(contexts)))
    for name, kinds in lineups.items():
        if not re.search(arguments.only, name):
            continue
        print(f"\n{name}", end="")
        if rows := kinds.get("steps"):
            one = next(iter(rows.values()))["median"]
            print(
                f": {one['parameters'] / 1e6:,.1f} M parameters in {one['tensors']:,.0f} tensors;"
                f" copy {number(one['copy_GB/s'])} GB/s; medians of {one['repetitions']} rounds\n"
            )
            show(steps(rows, name.startswith("cuda/")))
        if rows := kinds.get("memory"):
            memory = rows["memory"]["once"]
            print(
                f"\nMemory beyond parameters, gradients and state: {memory['beyond_bytes'] / 1e3:,.0f} kB"
                f" ({memory['beyond_bytes_a_tensor']:,.0f} bytes a tensor,"
                f" {100 * memory['beyond_share_of_state']:.2f} % of the state);"
                f" at its peak in a step {memory['peak_beyond_bytes'] / 1e3:,.0f} kB of tensors."
            )
        if rows := kinds.get("training_loop"):
            loop = rows["training_loop"]["once"]
            print(
                f"\nIn a training loop: {number(loop['real_time'])} ms, {loop['fresh_over_kept']:.3f} of the same step"
                f" with gradients that stay; {100 * loop['gradients_moved']:.0f} % of the gradients lay elsewhere than"
                " in the step before."
            )
        if rows := kinds.get("launches"):
            print("\n")
            show(launches(rows))


if __name__ == "__main__":
    main()
