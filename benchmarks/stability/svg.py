# SPDX-FileCopyrightText: 2026 The agmohd authors
# SPDX-License-Identifier: Apache-2.0
"""Line charts as SVG."""

import math
from html import escape

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 800, 420, 64, 190, 36, 48
COLOURS = ("#a0aec0", "#dd8d3a", "#38a169", "#805ad5", "#d53f8c", "#319795", "#b7791f", "#e53e3e", "#1a202c", "#9ae6b4")
AGMOHD = ("#2b6cb0", "#63b3ed", "#2c5282")


def text(x, y, words, more=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" {more}>{escape(words)}</text>'


def ticks(low, high):
    step = 10 ** math.floor(math.log10(high - low))
    step = next(step * f for f in (0.1, 0.2, 0.5, 1, 2) if (high - low) / (step * f) <= 7)
    first = math.ceil(low / step)
    return [i * step for i in range(first, math.floor(high / step) + 1)]


def chart(title, x_name, y_name, lines, log_x=False, mark=None):
    """`lines` is {name: [(x, y, failed)]}; a failed point is a cross, an infinite one is drawn at the top. `mark`: an x
    with a vertical line."""
    across = [math.log10(x) if log_x else x for line in lines.values() for x, _, _ in line]
    finite = sorted(y for line in lines.values() for _, y, _ in line if math.isfinite(y))
    if not finite:
        finite = [0.0, 1.0]
    low = finite[0]
    # Spikes are cut off: the shape of what matters lies below twice the upper decile of the losses.
    high = min(finite[-1], 2 * finite[int(0.9 * (len(finite) - 1))] - low)
    if high <= low:
        high = low + max(1e-6, abs(low) * 0.1)
    left, right = min(across), max(across)
    right = right if right > left else left + 1

    def at(x, y):
        x = math.log10(x) if log_x else x
        up = (min(y, high) - low) / (high - low)
        return (
            LEFT + (x - left) / (right - left) * (WIDTH - LEFT - RIGHT),
            HEIGHT - BOTTOM - up * (HEIGHT - TOP - BOTTOM),
        )

    parts = [text(LEFT, 20, title, 'font-weight="bold"')]
    for y in ticks(low, high):
        _, v = at(10**left if log_x else left, y)
        parts.append(f'<path d="M{LEFT} {v:.1f}H{WIDTH - RIGHT}" stroke="#e2e8f0"/>')
        parts.append(text(LEFT - 6, v + 4, f"{y:g}" if abs(y) < 1e4 else f"{y:.0e}", 'text-anchor="end"'))
    for x in sorted(set(10**a for a in across)) if log_x else ticks(left, right):
        u, _ = at(x, low)
        parts.append(text(u, HEIGHT - BOTTOM + 16, f"{x:.3g}", 'text-anchor="middle"'))
    parts.append(text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 12, x_name, 'text-anchor="middle"'))
    parts.append(text(14, TOP - 8, y_name))
    if mark is not None:
        u, _ = at(mark, low)
        parts.append(f'<path d="M{u:.1f} {TOP}V{HEIGHT - BOTTOM}" stroke="#e53e3e" stroke-dasharray="3"/>')
    ours = [name for name in lines if name.startswith("agmohd")]
    for i, (name, line) in enumerate(lines.items()):
        colour = AGMOHD[ours.index(name) % 3] if name in ours else COLOURS[i % len(COLOURS)]
        points = [(*at(x, y), failed or not math.isfinite(y)) for x, y, failed in line]
        path = "M" + "L".join(f"{u:.1f} {v:.1f}" for u, v, _ in points)
        parts.append(f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="1.6"/>')
        for u, v, failed in points:
            if failed and log_x:
                cross = f"M{u - 4:.1f} {v - 4:.1f}l8 8m0 -8l-8 8"
                parts.append(f'<path d="{cross}" stroke="{colour}" stroke-width="2"/>')
        y = TOP + 14 + 18 * i
        parts.append(f'<path d="M{WIDTH - RIGHT + 12} {y - 4}h18" stroke="{colour}" stroke-width="2"/>')
        parts.append(text(WIDTH - RIGHT + 36, y, name))
    if log_x:
        parts.append(text(WIDTH - RIGHT + 12, TOP + 14 + 18 * len(lines), "x: a run failed"))
    size = f'width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}"'
    font = 'font-family="sans-serif" font-size="12"'
    back = '<rect width="100%" height="100%" fill="#fff"/>'
    return "\n".join([f'<svg xmlns="http://www.w3.org/2000/svg" {size} {font}>', back, *parts, "</svg>", ""])
