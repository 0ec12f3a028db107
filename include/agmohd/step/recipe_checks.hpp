// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "../gradient/gradient.hpp"
#include "../hindrance/hindrance.hpp"

namespace agmohd::detail {

/// A bound of the norm that nobody applies.
template <class HindrancePolicy, class GradientPolicy>
struct CheckBounds {
  static_assert(!bounds_norm<HindrancePolicy>() || applies_norm_bound<GradientPolicy>(),
                "agmohd: the hindrance policy bounds the gradient norm, but no gradient policy of "
                "the recipe applies the bound; add gradient::ClipByNorm, AdaptiveClip or Choice");
  static_assert(!bounds_tensors<HindrancePolicy>() || applies_tensor_bounds<GradientPolicy>(),
                "agmohd: the hindrance policy bounds each tensor's gradient norm, but no gradient "
                "policy of the recipe applies the bounds; add gradient::AdaptiveClip or Choice");
  static constexpr bool passed = true;
};

}  // namespace agmohd::detail
