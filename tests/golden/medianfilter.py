# SPDX-FileCopyrightText: 2026 The agmohd authors
# SPDX-License-Identifier: Apache-2.0
"""Outliers by the modified z-score of Iglewicz and Hoaglin (1993), with torch.median, replaced by the median of
magnitudes.

The formula of agmohd's Python package, but of magnitudes: it takes the distances of elements with their sign from the
median of magnitudes, and replaces them without it. Tensors of ten elements or fewer stay.
"""

import torch
from clip import clip_by_norm
from scenario import scenario


def median_filter(parameters, outlier_z):
    outliers = elements = 0
    for p in parameters:
        if p.grad.numel() <= 10:
            continue
        size = p.grad.abs()
        median = torch.median(size)
        deviation = torch.median((size - median).abs())
        assert deviation > 0
        outlier = 0.6745 * (size - median) / deviation > outlier_z
        p.grad.copy_(torch.where(outlier, torch.copysign(median, p.grad), p.grad))
        outliers += int(outlier.sum())
        elements += p.grad.numel()
    return outliers / elements


SCENARIOS = {
    "medianfilter_sgd": scenario(
        "MedianFilter+SGD", transforms=((median_filter, 2.5),), extra={"outlier_z": 2.5}, momentum=0.9
    ),
    "medianfilter_clip_adamw": scenario(
        "MedianFilter+ClipByNorm+AdamW",
        transforms=((median_filter, 1.5), (clip_by_norm, 1.0)),
        extra={"outlier_z": 1.5, "max_norm": 1.0},
        betas=(0.9, 0.95),
    ),
}
