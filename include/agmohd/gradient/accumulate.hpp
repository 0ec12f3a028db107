// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "../policy/field.hpp"
#include "../policy/signals.hpp"
#include "gradient.hpp"

namespace agmohd::gradient {

/// Gradient accumulation: of `accumulation_steps` calls of step() the last one is an update, with
/// the mean, or the sum, of the gradients of all these calls. The others add gradients, and move
/// nothing else: parameters, state, schedule and hindrance policies know updates alone. It comes
/// before all other transforms, wherever it stands in a recipe. With `accumulation_steps` 1 a call
/// is an update of its own, and nothing is added.
///
/// Sums are float32 (float64 for float64) and belong to the optimizer: call zero_grad() before each
/// backward pass, as without accumulation. A parameter without a gradient in some of the calls adds
/// zero in these. With losses, the update gets the mean of those that were handed over.
/// Optimizer::apply_accumulated() makes the update of a window that ends early. Checkpoints hold
/// what was added so far. In a CUDA graph, capture all calls of a window.
struct Accumulate : AppliedBefore {
  struct Options {
    std::int64_t accumulation_steps = 1;  ///< calls of step() to an update
    bool accumulate_mean = true;          ///< divide the sum by the number of calls
  };
  static constexpr auto fields =
      describe(field("accumulation_steps", &Options::accumulation_steps, at_least(1)),
               field("accumulate_mean", &Options::accumulate_mean));
  static constexpr TransformKind kind = TransformKind::element;
  static constexpr unsigned wants = kNothing;
  static constexpr bool accumulates = true;
  static const char* name() { return "Accumulate"; }
};
static_assert(Transform<Accumulate>);

}  // namespace agmohd::gradient
