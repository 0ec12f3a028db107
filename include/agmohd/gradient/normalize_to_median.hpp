// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "normalize.hpp"

namespace agmohd::gradient {

/// Gives each tensor's gradient the median of the norms of all:
///   g <- g median(||g_1||, ||g_2||, ...) / ||g||
/// so that no tensor moves much faster than the others, and the size of the whole stays. As
/// agmohd's Python package does in every step: of an even number of norms it takes the mean of the
/// two in the middle, as numpy.median. It counts empty tensors as norms of 1e-8; here they do not
/// count. A gradient of zeros counts as the norm 0, and stays zero. A norm that is not finite makes
/// all gradients NaN.
///
/// It measures what transforms in front of it leave, but the median does not count what those do
/// that look at single tensors (Stabilize, NormalizeTensors): it stands in front of them, behind a
/// clip by the global norm. All tensors are on one device: others refuse the step.
struct NormalizeToMedian {
  struct Options {};
  static constexpr auto fields = describe();
  static constexpr TransformKind kind = TransformKind::scale;
  static constexpr unsigned wants = kNorm | kTensors | kMedian;
  static const char* name() { return "NormalizeToMedian"; }

  template <class R>
  using Coefficients = Normalize::Coefficients<R>;

  template <class R>
  AGMOHD_HD static Coefficients<R> at(const Options&, Signals& s, const Verdict&, TensorSignals& ts,
                                      const TensorVerdict&) {
    if (ts.numel == 0 || ts.norm2 == 0) return {R(1)};
    const double norm = std::sqrt(ts.norm2), median = s.median * std::sqrt(s.norm2);
    const double factor = detail::to_size(median, norm);
    ts.norm2 = norm * factor * (norm * factor);
    ts.max_abs *= factor;
    return {R(factor)};
  }

  template <Number T>
  AGMOHD_HD static T apply(const T& g, const Coefficients<Real<T>>& k) {
    return k.factor * g;
  }
};
static_assert(Transform<NormalizeToMedian>);

}  // namespace agmohd::gradient
