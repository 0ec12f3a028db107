#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 The agmohd authors
# SPDX-License-Identifier: Apache-2.0
"""Draws losses under faults side by side, as SVG: a panel for each fault, a line for each method.

usage: panels.py FILE.jsonl FILE.svg [--faults FAULT=TITLE...] [--methods METHOD=NAME...] [--task TASK]

The README's picture: panels.py ../results/faults_gpt.jsonl ../../docs/faults.svg
"""

import argparse
import json
import math

from svg import text

WIDTH, HEIGHT, LEFT, TOP, BOTTOM, GAP = 230, 190, 40, 62, 30, 14
COLOURS = ("#a0aec0", "#dd8d3a", "#2b6cb0", "#38a169")
FAULTS = [
    "nan-gradient-10=NaN in ten gradients",
    "m-x1e5-one=a corrupt moment",
    "lr-x25=learning rate x 25, 12 steps",
    "weight-nan-early=NaN in a weight",
]
METHODS = ["clip=AdamW, clip", "nanskip=... and NaN skip", "agmohd=AGMOHD", "agmohd-snapshots=... with snapshots"]


def pairs(words):
    return dict(word.split("=", 1) for word in words)


def panel(left, title, runs, names, high):
    low = min(y for run in runs.values() for y in run["curve"] if y is not None and math.isfinite(y))

    def at(i, y, n):
        up = (min(y, high) - low) / (high - low)
        return left + LEFT + i / (n - 1) * (WIDTH - LEFT), HEIGHT - BOTTOM + TOP - 30 - up * (HEIGHT - BOTTOM - 30)

    out = [text(left + LEFT, TOP - 10, title, 'font-weight="bold"')]
    for y in range(math.ceil(low), math.floor(high) + 1):
        _, v = at(0, y, 2)
        out.append(f'<path d="M{left + LEFT} {v:.1f}h{WIDTH - LEFT}" stroke="#e2e8f0"/>')
        out.append(text(left + LEFT - 6, v + 4, str(y), 'text-anchor="end"'))
    steps = next(iter(runs.values()))["steps"]
    for i, method in enumerate(names):
        curve = [y if y is not None and math.isfinite(y) else None for y in runs[method]["curve"]]
        points = [at(j, y, len(curve)) if y is not None else None for j, y in enumerate(curve)]
        line, pen = "", "M"
        for point in points:  # a gap where the loss is not finite
            line += f"{pen}{point[0]:.1f} {point[1]:.1f}" if point else ""
            pen = "L" if point else "M"
        out.append(f'<path d="{line}" fill="none" stroke="{COLOURS[i]}" stroke-width="1.8"/>')
        if points[-1] is None:  # never again
            u, v = [point for point in points if point][-1]
            cross = f"M{u - 5:.1f} {v - 5:.1f}l10 10m0 -10l-10 10"
            out.append(f'<path d="{cross}" stroke="{COLOURS[i]}" stroke-width="2.5"/>')
    fault = runs[names[0]]["fault_at"]
    u, _ = at(fault, low, steps + 1)
    out.append(f'<path d="M{u:.1f} {TOP}V{TOP + HEIGHT - BOTTOM - 30}" stroke="#e53e3e" stroke-dasharray="3"/>')
    out.append(text(left + LEFT, TOP + HEIGHT - BOTTOM - 12, "0"))
    out.append(text(left + WIDTH, TOP + HEIGHT - BOTTOM - 12, f"{steps} steps", 'text-anchor="end"'))
    return out


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("file")
    parser.add_argument("out")
    parser.add_argument("--faults", nargs="+", default=FAULTS, metavar="FAULT=TITLE")
    parser.add_argument("--methods", nargs="+", default=METHODS, metavar="METHOD=NAME")
    parser.add_argument("--task", default="gpt")
    arguments = parser.parse_args()
    faults, names = pairs(arguments.faults), pairs(arguments.methods)
    with open(arguments.file, encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    parts, left = [], 0
    for i, name in enumerate(names.values()):
        parts.append(f'<path d="M{LEFT + 190 * i} 18h22" stroke="{COLOURS[i]}" stroke-width="2.5"/>')
        parts.append(text(LEFT + 190 * i + 28, 22, name))
    parts.append(text(LEFT + 190 * len(names), 22, "x: not finite from there on", 'fill="#4a5568"'))
    for fault, title in faults.items():
        runs = {}
        for row in rows:
            if row["task"] == arguments.task and row.get("fault") == fault and row["method"] in names:
                runs.setdefault(row["method"], row)
        parts += panel(left, title, runs, list(names), high=6)
        left += WIDTH + GAP
    width, height = left + GAP, TOP + HEIGHT - BOTTOM
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    body = ['<rect width="100%" height="100%" fill="#fff"/>', *parts, "</svg>", ""]
    with open(arguments.out, "w", encoding="utf-8") as file:
        file.write("\n".join([head + ' font-family="sans-serif" font-size="12">', *body]))


main()
