// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>

#include "clip_by_norm.hpp"

namespace agmohd::gradient {

/// ClipByNorm, and in addition each tensor's norm to the bound that the hindrance policy sets for
/// that tensor, if it sets one. Without such bounds the factor has ClipByNorm's bits. The global
/// signals that later transforms see do not count the clips of single tensors. agmohd's own.
struct AdaptiveClip {
  using Options = ClipByNorm::Options;
  static constexpr auto fields = ClipByNorm::fields;
  static constexpr TransformKind kind = TransformKind::scale;
  static constexpr unsigned wants = kNorm | kTensors;
  static constexpr bool applies_norm_bound = true, applies_tensor_bounds = true;
  static const char* name() { return "AdaptiveClip"; }

  template <class R>
  using Coefficients = ClipByNorm::Coefficients<R>;

  template <class R>
  AGMOHD_HD static Coefficients<R> at(const Options& o, Signals& s, const Verdict& v,
                                      TensorSignals& ts, const TensorVerdict& tv) {
    const double global = ClipByNorm::at<double>(o, s, v).factor;
    const double norm = std::sqrt(ts.norm2);
    const double factor = norm * global > tv.norm_bound ? tv.norm_bound / norm : global;
    ts.norm2 *= factor * factor;
    ts.max_abs *= factor;
    return {R(factor)};
  }

  template <Number T>
  AGMOHD_HD static T apply(const T& g, const Coefficients<Real<T>>& k) {
    return ClipByNorm::apply(g, k);
  }
};
static_assert(Transform<AdaptiveClip>);

}  // namespace agmohd::gradient
