# SPDX-FileCopyrightText: 2026 The agmohd authors
# SPDX-License-Identifier: Apache-2.0
"""The paired t test and the sign test, without dependencies."""

import math
import statistics


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
