#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 The agmohd authors
# SPDX-License-Identifier: Apache-2.0
"""Draws a bar chart (SVG) of the JSON of agmohd_bench --benchmark_out=FILE and of peers.py: a group for each lineup, a
bar for each row, with its minimum and maximum where the file has them.

usage: chart.py FILE.json... [--value ms|share] [--only REGEX] [--rows REGEX] [--labels] [--out FILE.svg]

The README's picture:

    chart.py results/steps_h200_*28.json results/steps_h200_*26.json --labels --out ../docs/steps.svg \\
        --rows '^(torch|pytorch|agmohd)_clip_(fused_)?adamw$'
"""

import argparse
import re
import sys
from html import escape

from table import number, read

WIDTH, NAMES, BAR, GAP = 990, 330, 16, 4
COLOURS = (("agmohd", "#2b6cb0"), ("torch", "#a0aec0"), ("", "#dd8d3a"))


def colour(row):
    return next(c for prefix, c in COLOURS if row.startswith(prefix))


def text(x, y, words, more=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" {more}>{escape(words)}</text>'


def title(lineup, rows):
    one = next(iter(rows.values()))["median"]
    return f"{lineup}: {one['parameters'] / 1e6:,.1f} M parameters in {one['tensors']:,.0f} tensors"


def values(found, key):
    """Median, minimum, maximum: the median again where a file has no others."""
    median = found["median"][key]
    return median, *(found.get(of, {}).get(key, median) for of in ("min", "max"))


def draw(groups, key, unit, where, labels):
    """`groups` is {lineup: {row: {aggregate: entry}}}; each has a scale of its own, shares have one for all."""
    parts, y = [], 16
    for line in where:
        parts.append(text(8, y, line, 'fill="#4a5568"'))
        y += 16
    highest = {lineup: max(values(found, key)[2] for found in rows.values()) for lineup, rows in groups.items()}
    shared = max(highest.values()) if key == "share_of_copy" else 0
    for lineup, rows in groups.items():
        y += 20
        parts.append(text(8, y, f"{title(lineup, rows)}, {unit}", 'font-weight="bold"'))
        y += 8
        top = shared or highest[lineup]
        scale = (WIDTH - NAMES - 90) / top if top else 0
        begin = y
        for row, found in rows.items():
            median = found["median"]
            value, low, high = (x * scale for x in values(found, key))
            middle = y + BAR / 2
            parts += [
                text(NAMES - 8, middle + 4, median["label"] if labels else row, 'text-anchor="end"'),
                f'<rect x="{NAMES}" y="{y}" width="{value:.1f}" height="{BAR}" fill="{colour(row)}"/>',
                f'<path d="M{NAMES + low:.1f} {middle}H{NAMES + high:.1f}" stroke="#1a202c"/>',
                text(NAMES + max(value, high) + 6, middle + 4, number(median[key])),
            ]
            y += BAR + GAP
        if shared:
            x = NAMES + scale
            parts.append(f'<path d="M{x:.1f} {begin}V{y}" stroke="#4a5568" stroke-dasharray="3"/>')
    size = f'width="{WIDTH}" height="{y + 12}" viewBox="0 0 {WIDTH} {y + 12}"'
    font = 'font-family="sans-serif" font-size="12"'
    back = '<rect width="100%" height="100%" fill="#fff"/>'
    return "\n".join([f'<svg xmlns="http://www.w3.org/2000/svg" {size} {font}>', back, *parts, "</svg>", ""])


def main():
    parser = argparse.ArgumentParser(description="An SVG chart of the JSON of agmohd_bench and peers.py.")
    parser.add_argument("file", nargs="+")
    parser.add_argument("--value", choices=["ms", "share"], default="ms", help="milliseconds a step, or share of copy")
    parser.add_argument("--only", default="", metavar="REGEX", help="lineups to draw, e.g. ^cuda/gpt2")
    parser.add_argument("--rows", default="", metavar="REGEX", help="rows to draw, e.g. clip")
    parser.add_argument("--labels", action="store_true", help="what a row calls instead of its name")
    parser.add_argument("--out", default="-", metavar="FILE", help="default: the standard output")
    arguments = parser.parse_args()
    contexts, lineups = read(arguments.file)
    groups, key = {}, "share_of_copy" if arguments.value == "share" else "real_time"
    for lineup, kinds in lineups.items():
        rows = {row: found for row, found in kinds.get("steps", {}).items() if re.search(arguments.rows, row)}
        rows = {row: found for row, found in rows.items() if key in found["median"]}
        if rows and re.search(arguments.only, lineup):
            groups[lineup] = rows
    if not groups:
        sys.exit("chart.py: no rows are left to draw")
    svg = draw(
        groups,
        key,
        "ms a step" if key == "real_time" else "share of the bandwidth of a copy",
        dict.fromkeys(contexts),
        arguments.labels,
    )
    if arguments.out == "-":
        sys.stdout.write(svg)
    else:
        with open(arguments.out, "w", encoding="utf-8") as file:
            file.write(svg)


if __name__ == "__main__":
    main()
