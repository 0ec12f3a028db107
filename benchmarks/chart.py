#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 The agmohd authors
# SPDX-License-Identifier: Apache-2.0
"""Draws a bar chart (SVG) of the JSON of agmohd_bench --benchmark_out=FILE and of peers.py: a group for each lineup, a
bar for each row, with its minimum and maximum.

usage: chart.py FILE.json... [--value ms|share] [--only REGEX] [--rows REGEX] [--out FILE.svg]
"""

import argparse
import re
import sys
from html import escape

from table import number, read

WIDTH, NAMES, BAR, GAP = 960, 290, 16, 4
COLOURS = (("agmohd", "#2b6cb0"), ("torch", "#a0aec0"), ("", "#dd8d3a"))


def colour(row):
    return next(c for prefix, c in COLOURS if row.startswith(prefix))


def text(x, y, words, more=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" {more}>{escape(words)}</text>'


def draw(groups, key, unit, where):
    """`groups` is {lineup: {row: {aggregate: entry}}}; each has a scale of its own, shares have one for all."""
    parts, y = [], 16
    for line in where:
        parts.append(text(8, y, line, 'fill="#4a5568"'))
        y += 16
    shared = max(f["max"][key] for rows in groups.values() for f in rows.values()) if key == "share_of_copy" else 0
    for lineup, rows in groups.items():
        y += 20
        parts.append(text(8, y, f"{lineup}, {unit}", 'font-weight="bold"'))
        y += 8
        top = shared or max(found["max"][key] for found in rows.values())
        scale = (WIDTH - NAMES - 90) / top if top else 0
        begin = y
        for row, found in rows.items():
            value, low, high = (found[a][key] * scale for a in ("median", "min", "max"))
            middle = y + BAR / 2
            parts += [
                text(NAMES - 8, middle + 4, row, 'text-anchor="end"'),
                f'<rect x="{NAMES}" y="{y}" width="{value:.1f}" height="{BAR}" fill="{colour(row)}"/>',
                f'<path d="M{NAMES + low:.1f} {middle}H{NAMES + high:.1f}" stroke="#1a202c"/>',
                text(NAMES + max(value, high) + 6, middle + 4, number(found["median"][key])),
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
    parser.add_argument("--out", default="-", metavar="FILE", help="default: the standard output")
    arguments = parser.parse_args()
    contexts, lineups = read(arguments.file)
    groups = {}
    for lineup, kinds in lineups.items():
        rows = {row: found for row, found in kinds.get("steps", {}).items() if re.search(arguments.rows, row)}
        if rows and re.search(arguments.only, lineup):
            groups[lineup] = rows
    if not groups:
        sys.exit("chart.py: no rows are left to draw")
    share = arguments.value == "share"
    svg = draw(
        groups,
        "share_of_copy" if share else "real_time",
        "share of the bandwidth of a copy" if share else "ms a step",
        dict.fromkeys(contexts),
    )
    if arguments.out == "-":
        sys.stdout.write(svg)
    else:
        with open(arguments.out, "w", encoding="utf-8") as file:
            file.write(svg)


if __name__ == "__main__":
    main()
