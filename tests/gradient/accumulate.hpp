// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
// An optimizer that accumulates gradients over calls.

#include <cstdint>

#include "samples.hpp"

namespace accumulate {

using agmohd::gradient::Accumulate;

using Recipe = agmohd::Recipe<agmohd::rule::AdamW, contract::SkipAbove,
                              agmohd::gradient::ClipByNorm, Accumulate>;
using Plain =
    agmohd::Recipe<agmohd::rule::AdamW, contract::SkipAbove, agmohd::gradient::ClipByNorm>;
using Accumulated = contract::Trained<Recipe>;

inline Accumulated::Options options(std::int64_t steps, bool mean = true) {
  Accumulated::Options out(0.05);
  out.set<"accumulation_steps">(steps).set<"accumulate_mean">(mean).set<"max_norm">(0.5);
  return out.weight_decay(0.1);
}

}  // namespace accumulate
