// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
// The recipes of the golden scenarios beyond the ready-made ones. Torch-free: the kernel units
// include it too.

#include <agmohd/recipes.hpp>

namespace golden {

template <class Rule, class Gradient = agmohd::gradient::None,
          class Schedule = agmohd::schedule::Constant>
using With = agmohd::Recipe<Rule, Gradient, Schedule>;

using ClipByNormAdamW = With<agmohd::rule::AdamW, agmohd::gradient::ClipByNorm>;
using ClipByMaxNormAdamW = With<agmohd::rule::AdamW, agmohd::gradient::ClipByMaxNorm>;
using ClipByPNormAdamW = With<agmohd::rule::AdamW, agmohd::gradient::ClipByPNorm>;
using ClipByValueSGD = With<agmohd::rule::SGD, agmohd::gradient::ClipByValue>;
using ClipByValueClipByNormAdam =
    With<agmohd::rule::Adam,
         agmohd::gradient::Chain<agmohd::gradient::ClipByValue, agmohd::gradient::ClipByNorm>>;
using NormalizeSGD = With<agmohd::rule::SGD, agmohd::gradient::Normalize>;
using NormalizeAdamW = With<agmohd::rule::AdamW, agmohd::gradient::Normalize>;
using NormalizeTensorsSGD = With<agmohd::rule::SGD, agmohd::gradient::NormalizeTensors>;
using NormalizeToMedianSGD = With<agmohd::rule::SGD, agmohd::gradient::NormalizeToMedian>;
using ClipByNormNormalizeToMedianAdamW =
    With<agmohd::rule::AdamW, agmohd::gradient::Chain<agmohd::gradient::ClipByNorm,
                                                      agmohd::gradient::NormalizeToMedian>>;
using MedianFilterSGD = With<agmohd::rule::SGD, agmohd::gradient::MedianFilter>;
using MedianFilterClipByNormAdamW =
    With<agmohd::rule::AdamW,
         agmohd::gradient::Chain<agmohd::gradient::MedianFilter, agmohd::gradient::ClipByNorm>>;
using SignSGD = With<agmohd::rule::SGD, agmohd::gradient::Sign>;
using RowsSGD = With<agmohd::rule::SGD, agmohd::gradient::AGC>;
using RowsAdamW = With<agmohd::rule::AdamW, agmohd::gradient::AGC>;
using CentralizeSGD = With<agmohd::rule::SGD, agmohd::gradient::Centralize>;
using CentralizeAdamW = With<agmohd::rule::AdamW, agmohd::gradient::Centralize>;
using OrthogonalSGD = With<agmohd::rule::SGD, agmohd::gradient::Orthogonal>;
using OrthogonalAdamW = With<agmohd::rule::AdamW, agmohd::gradient::Orthogonal>;
using OrthogonalClipByNormAdamW =
    With<agmohd::rule::AdamW,
         agmohd::gradient::Chain<agmohd::gradient::Orthogonal, agmohd::gradient::ClipByNorm>>;
using AccumulatedAdamW = With<agmohd::rule::AdamW, agmohd::gradient::Accumulate>;
using AccumulatedSGD = With<agmohd::rule::SGD, agmohd::gradient::Accumulate>;
using LinearSGD = With<agmohd::rule::SGD, agmohd::gradient::None, agmohd::schedule::Linear>;
using CosineAdam = With<agmohd::rule::Adam, agmohd::gradient::None, agmohd::schedule::Cosine>;
using WarmupCosineAdamW = With<agmohd::rule::AdamW, agmohd::gradient::None,
                               agmohd::schedule::Warmup<agmohd::schedule::Cosine>>;

using ByGroupAdamW =
    With<agmohd::rule::AdamW, agmohd::gradient::None,
         agmohd::schedule::ByGroup<agmohd::schedule::Warmup<>, agmohd::schedule::Cosine>>;

}  // namespace golden
