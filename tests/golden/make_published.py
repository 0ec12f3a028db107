#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 The agmohd authors
# SPDX-License-Identifier: Apache-2.0
"""Writes published.txt: what published stabilisers make of fixed sequences, by their authors' formulas.

    python3 make_published.py            # writes published.txt beside this script
    python3 make_published.py --check    # writes nothing; fails if the stored file would change

A section is a line "name rows columns" and its rows; the columns are named below. Nothing but Python is needed: a
mean and a deviation are formed over whole lists, rounded once.
"""

import argparse
import math
import pathlib
import random
import statistics
import sys

NAN, INF = math.nan, math.inf


def healthy(rng, steps, sigma=0.3):
    """Gradient norms that scatter around a slow fall; six decimals, so that the file holds them exactly."""
    noise = [sum(rng.random() for _ in range(4)) - 2.0 for _ in range(steps)]
    return [round((0.2 + 1.0 / (1 + t / 200)) * (1 + sigma * x), 6) for t, x in enumerate(noise)]


# --- OLMo-core's SkipStepOptimizer ---


def skip_step(losses, norms, interval=128, sigmas=6):
    def far(values, x):
        if not all(map(math.isfinite, [*values, x])):
            return True  # a NaN compares false with every bound
        deviation = statistics.stdev(values)
        return deviation == 0 or abs(x - statistics.fmean(values)) / deviation > sigmas

    rows = []
    for t, (loss, norm) in enumerate(zip(losses, norms)):
        before = slice(max(0, t - interval), t)
        acts = t + 1 >= max(20, interval // 2)
        skip = acts and (far(losses[before], loss) or far(norms[before], norm))
        rows.append([loss, norm, int(skip)])
    return rows  # loss, gradient norm, whether the step is skipped


# --- ZClip, algorithm 1, adaptive scaling ---


def zclip(norms, alpha=0.97, threshold=2.5, warmup=25, eps=1e-6):
    rows, mean, variance = [], NAN, NAN
    for t, norm in enumerate(norms):
        bound = INF
        if t >= warmup:
            deviation = math.sqrt(variance)
            z = (norm - mean) / (deviation + eps)
            if z > threshold:
                bound = mean + threshold**2 / z * deviation
            fed = bound if z > threshold else norm
            mean = alpha * mean + (1 - alpha) * fed
            variance = alpha * variance + (1 - alpha) * (fed - mean) ** 2
        elif t + 1 == warmup:
            mean = sum(norms[:warmup]) / warmup
            variance = sum((x - mean) ** 2 for x in norms[:warmup]) / warmup
        rows.append([norm, bound])
    return rows  # gradient norm, its bound


# --- AdaGC, algorithm 1 ---


def adagc(tensors, beta=0.98, relative=1.05, absolute=1.0, warmup=100):
    rows, gamma = [], [None] * len(tensors)
    for t, norms in enumerate(zip(*tensors)):
        if t < warmup:
            total = math.sqrt(sum(x * x for x in norms))
            factors = [min(absolute / total, 1.0) if math.isfinite(total) else NAN] * len(norms)
            clipped = [x * h for x, h in zip(norms, factors)]
            gamma = [x if g is None or x < g else g for x, g in zip(clipped, gamma)]
        else:
            factors = [relative * g / x if x > relative * g else 1.0 for x, g in zip(norms, gamma)]
            gamma = [beta * g + (1 - beta) * x * h for x, h, g in zip(norms, factors, gamma)]
        rows.append([*norms, *factors])
    return rows  # norms of the tensors, their factors


# --- Stable-SPAM, algorithm 1, lines of AdaClip and AdaGN ---


def stabilize(gradients, gamma1=0.7, gamma2=0.9, gamma3=0.999, eps=1e-8):
    rows, peak, m, v = [], 0.0, 0.0, 0.0
    for t, g in enumerate(gradients, start=1):
        largest = max(map(abs, g)) if all(map(math.isfinite, g)) else NAN
        peak = gamma3 * peak + (1 - gamma3) * largest
        threshold = peak / (1 - gamma3**t)
        clipped = [x / largest * threshold if abs(x) > threshold else x for x in g]
        norm = math.sqrt(math.fsum(x * x for x in clipped))
        m = gamma1 * m + (1 - gamma1) * norm
        v = gamma2 * v + (1 - gamma2) * norm**2
        to = m / (1 - gamma1**t) / (math.sqrt(v / (1 - gamma2**t)) + eps)
        out = [x / norm * to for x in clipped] if norm != 0 else clipped
        rows.append([*g, *out])
    return rows  # gradient of a tensor, what becomes of it


# --- SPAM, the authors' code without its masks ---


def spam(gradients, lr=0.01, b1=0.9, b2=0.999, eps=1e-6, threshold=20.0, interval=40, warmup=10, delay=20, anew=False):
    size = len(gradients[0])
    rows, p, m, v, step = [], [0.5] * size, [0.0] * size, [0.0] * size, 0
    for t, g in enumerate(gradients, start=1):
        step += 1
        if t % interval == 0:
            m, v = [0.0] * size, [0.0] * size
            step = 1 if anew else step
        h = list(g)
        if threshold and t >= delay and t % interval >= delay:
            h = [math.copysign(math.sqrt(threshold * y), x) if x * x > threshold * y else x for x, y in zip(g, v)]
        m = [b1 * y + (1 - b1) * x for x, y in zip(h, m)]
        v = [b2 * y + (1 - b2) * x * x for x, y in zip(h, v)]
        scale = 1.0
        if t >= interval and t % interval < warmup:
            scale = 1 - 0.99 * (1 + math.cos(math.pi * (t % interval) / (warmup + 1))) / 2
        size_of_step = lr * scale * math.sqrt(1 - b2**step) / (1 - b1**step)
        p = [x - size_of_step * y / (math.sqrt(z) + eps) for x, y, z in zip(p, m, v)]
        rows.append([*g, *p])
    return rows  # gradient of a tensor, the parameters after the step


# --- StableAdamW, algorithm 2: debiased betas, per tensor ---


def stable_adamw(gradients, lr=0.01, b1=0.9, b2=0.99, eps=1e-6, decay=0.1):
    size = len(gradients[0])
    rows, p, v, u = [], [0.5] * size, [0.0] * size, [0.0] * size
    for t, g in enumerate(gradients, start=1):
        c1, c2 = (b * (1 - b ** (t - 1)) / (1 - b**t) for b in (b1, b2))
        v = [c1 * y + (1 - c1) * x for x, y in zip(g, v)]
        u = [c2 * y + (1 - c2) * x * x for x, y in zip(g, u)]
        rms = math.sqrt(math.fsum(x * x / max(y, eps**2) for x, y in zip(g, u)) / size)
        rate = lr / (rms if not rms <= 1 else 1)
        p = [x * (1 - rate * decay) - rate * y / (math.sqrt(z) + eps) for x, y, z in zip(p, v, u)]
        rows.append([*g, rms, *p])
    return rows  # gradient of a tensor, its RMS, the parameters after the step


# --- Sequences ---


def spiked(values, spikes):
    values = list(values)
    for t, factor in spikes.items():
        values[t] = round(values[t] * factor, 6)
    return values


def make():
    rng = random.Random(20261124)
    losses = [round(2 + 6 / (1 + t / 80) + 0.05 * x, 6) for t, x in enumerate(healthy(rng, 500))]
    norms = healthy(rng, 500)
    spikes = {30: 40, 62: 9, 63: 9, 150: 5, 151: 20, 320: 8, 470: 0.01, 471: 50}
    jump = spiked(norms, {t: 5.0 for t in range(250, 500)})
    tensors = [healthy(rng, 400, s) for s in (0.1, 0.3, 0.4)]
    tensors = [[round(scale * x, 6) for x in row] for scale, row in zip((0.3, 1, 0.02), tensors)]
    tensors[0] = spiked(tensors[0], {0: 30, 50: 50, 120: 10, 121: 10, 250: 1000})
    tensors[2] = spiked(tensors[2], {120: 100, 300: 0.01, 301: 3})

    # One element is the largest and the only one beyond the threshold; the two spikes are its own.
    lone = [[0.8 + 0.4 * rng.random()] + [rng.random() - 0.5 for _ in range(11)] for _ in range(120)]
    lone = [[round((-1) ** t * 0.05 * x, 6) for x in row] for t, row in enumerate(lone)]
    lone[40][0], lone[41][0], lone[90] = 7.0, -3000.0, [0.0] * 12
    # Ordinary elements, and once all of them a hundred times larger.
    burst = [[round((sum(rng.random() for _ in range(4)) - 2.0) * 0.1, 6) for _ in range(64)] for _ in range(90)]
    burst[50] = [round(100 * x, 6) for x in burst[50]]

    # Four elements; the last has its first gradient after the first clipped step.
    few = [[round(x + 0.3, 6) for x in row[:4]] for row in burst] + [[round(x, 6) for x in row[:4]] for row in burst]
    for t in (25, 33, 70, 75, 110):
        few[t][t % 3] *= -40
    few = [[*row[:3], 0.0 if t < 30 else row[3]] for t, row in enumerate(few)]

    def broken(values, at, by):
        return [by if t == at else x for t, x in enumerate(values)]

    sections = {
        "skip_step": skip_step(spiked(losses, {200: 3, 400: 3, 401: 3}), spiked(norms, spikes)),
        "skip_step_jump": skip_step(losses, jump),
        "skip_step_nan": skip_step(losses, broken(norms, 180, NAN)),
        "skip_step_early_nan": skip_step(broken(losses, 40, NAN), norms),
        "zclip": zclip(spiked(norms, spikes)),
        "zclip_jump": zclip(jump),
        "zclip_nan": zclip(spiked(broken(norms, 180, NAN), {320: 50})),
        "adagc": adagc(tensors),
        "adagc_nan": adagc([tensors[0], spiked(broken(tensors[1], 180, NAN), {250: 50}), tensors[2]]),
        "stabilize": stabilize(lone),
        "stabilize_nan": stabilize([[NAN] * 12 if t == 20 else row for t, row in enumerate(lone[:30])]),
        "stabilize_burst": stabilize(burst),
        "spam": spam(few),
        "spam_stable": spam(few, threshold=0, interval=50, warmup=0, anew=True),
        "stable_adamw": stable_adamw(few),
        "stable_adamw_nan": stable_adamw([[NAN, *row[1:]] if t == 60 else row for t, row in enumerate(few[:80])]),
        "adagc_zero": adagc([tensors[0], broken(tensors[1], 20, 0.0), tensors[2]]),
    }

    # A sequence that does not exercise what it is there for proves nothing.
    def count(name, column, what):
        return sum(map(what, (row[column] for row in sections[name])))

    assert 4 <= count("skip_step", 2, bool) <= 12, count("skip_step", 2, bool)
    assert count("skip_step_jump", 2, bool) >= 1
    assert count("skip_step_nan", 2, bool) >= 129
    assert 5 <= count("zclip", 1, math.isfinite) < 100
    assert count("zclip_nan", 1, math.isfinite) == sum(math.isfinite(r[1]) for r in sections["zclip_nan"][:180])
    for column in (3, 4, 5):
        assert 20 < count("adagc", column, lambda x: x < 1) < 380
    assert all(row[4] == 0 for row in sections["adagc_zero"][100:])
    assert 10 < count("stable_adamw", 4, lambda x: x > 1) < len(few) - 10
    assert all(map(math.isnan, sections["stable_adamw_nan"][-1][5:]))
    return sections


def text(sections):
    lines = []
    for name, rows in sections.items():
        lines.append(f"{name} {len(rows)} {len(rows[0])}")
        lines += [" ".join(format(x, ".12g") for x in row) for row in rows]
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare with the stored file instead of writing it")
    path = pathlib.Path(__file__).parent / "published.txt"
    content = text(make())
    if not parser.parse_args().check:
        path.write_text(content)
    elif not path.exists() or path.read_text() != content:
        sys.exit("would change: published.txt")


if __name__ == "__main__":
    main()
