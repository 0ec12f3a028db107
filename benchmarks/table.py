#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 The agmohd authors
# SPDX-License-Identifier: Apache-2.0
"""Makes Markdown tables of what agmohd_bench --benchmark_out=FILE wrote.

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


def read(path):
    """The context, and {lineup: {row: {aggregate: entry}}} in the order of the file."""
    with open(path, encoding="utf-8") as file:
        data = json.load(file)
    lineups = {}
    for entry in data["benchmarks"]:
        if entry.get("error_occurred"):
            sys.exit(f"{path}: {entry['name']}: {entry.get('error_message')}")
        device, shapes, row = entry["run_name"].split("/")[:3]
        if entry["run_type"] == "iteration" and row != "memory":
            continue  # of a run with one repetition, which has no aggregates
        rows = lineups.setdefault(f"{device}/{shapes}", {})
        rows.setdefault(row, {})[entry.get("aggregate_name", "once")] = entry
    return data["context"], lineups


def cells(rows, cuda):
    yield ["", "ms a step", "min to max", "bytes a parameter", "GB/s", "of copy", "times torch"] + ["host ms"] * cuda
    for row, found in rows.items():
        if row == "memory":
            continue
        median = found["median"]
        yield [
            f"`{row}`: {median['label']}",
            number(median["real_time"]),
            f"{number(found['min']['real_time'])} to {number(found['max']['real_time'])}",
            f"{median['bytes_a_parameter']:g}",
            number(median["GB/s"]),
            f"{median['share_of_copy']:.3f}",
            f"{median['times_torch']:.2f}",
        ] + [number(median["host_ms"])] * cuda


def show(table):
    table = [list(row) for row in table]
    table.insert(1, ["---"] + ["---:"] * (len(table[0]) - 1))
    widths = [max(len(row[i]) for row in table) for i in range(len(table[0]))]
    for row in table:
        first = row[0].ljust(widths[0])
        print("| " + " | ".join([first] + [c.rjust(w) for c, w in zip(row[1:], widths[1:])]) + " |")


def main():
    parser = argparse.ArgumentParser(description="Markdown tables of agmohd_bench's JSON.")
    parser.add_argument("file", nargs="+")
    parser.add_argument("--only", default="", metavar="REGEX", help="lineups to show, e.g. ^cuda/")
    arguments = parser.parse_args()
    for path in arguments.file:
        context, lineups = read(path)
        where = [context["processor"], f"{context['threads']} threads"]
        where += [context[key] for key in ("gpu",) if key in context]
        where += [f"LibTorch {context['libtorch']}"]
        where += [f"CUDA {context['cuda']}"] if "cuda" in context else []
        print(f"{', '.join(where)}; {context['date'][:10]}")
        for name, rows in lineups.items():
            if not re.search(arguments.only, name):
                continue
            steps = [found["median"] for row, found in rows.items() if row != "memory"]
            print(f"\n{name}", end="")
            if steps:
                one = steps[0]
                print(
                    f": {one['parameters'] / 1e6:,.1f} M parameters in {one['tensors']:,.0f} tensors;"
                    f" copy {number(one['copy_GB/s'])} GB/s; medians of {one['repetitions']} rounds\n"
                )
                show(cells(rows, name.startswith("cuda/")))
            if "memory" in rows:
                memory = rows["memory"]["once"]
                print(
                    f"\nMemory beyond parameters, gradients and state: {memory['beyond_bytes'] / 1e3:,.0f} kB"
                    f" ({memory['beyond_bytes_a_tensor']:,.0f} bytes a tensor,"
                    f" {100 * memory['beyond_share_of_state']:.2f} % of the state);"
                    f" at its peak in a step {memory['peak_beyond_bytes'] / 1e3:,.0f} kB of tensors."
                )


if __name__ == "__main__":
    main()
