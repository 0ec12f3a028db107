// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>
#include <limits>

#include "normalize.hpp"

namespace agmohd::gradient {

namespace detail {
/// A largest magnitude that nobody measured.
inline constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();
}  // namespace detail

/// Gives each tensor's gradient the median of the norms of all:
///   g <- g median(||g_1||, ||g_2||, ...) / ||g||
/// so that no tensor moves much faster than the others, and the size of the whole stays. As
/// agmohd's Python package does in every step: of an even number of norms it takes the mean of the
/// two in the middle, as numpy.median. It counts empty tensors as norms of 1e-8; here they do not
/// count. A gradient of zeros counts as the norm 0, and stays zero. A norm that is not finite makes
/// all gradients NaN.
///
/// It stands behind a clip by the global norm, whose median is of the clipped gradients, or in
/// front of one, which clips the norm of what it makes. Transforms that act on single tensors
/// (NormalizeTensors, Stabilize, AdaptiveClip, Choice, OnGroup) stand behind it: the median does
/// not count what they do. AdaptiveClip and Choice bound each tensor as the hindrance policy says,
/// which looked at the norms before: a bound that is above the median does nothing. ClipByMaxNorm
/// stands in front. All tensors are on one device: others refuse the step.
struct NormalizeToMedian : OneFactor {
  struct Options {};
  static constexpr auto fields = describe();
  static constexpr TransformKind kind = TransformKind::scale;
  static constexpr unsigned wants = kNorm | kTensors | kMedian;
  static const char* name() { return "NormalizeToMedian"; }

  template <class R>
  AGMOHD_HD static Coefficients<R> at(const Options&, Signals& s, const Verdict&, TensorSignals& ts,
                                      const TensorVerdict&) {
    const double median = s.median * std::sqrt(s.norm2);
    s.norm2 = double(s.nonzero_tensors) * (median * median);
    s.max_abs = detail::kUnknown;
    if (ts.numel == 0 || ts.norm2 == 0) return {R(1)};
    const double norm = std::sqrt(ts.norm2), factor = detail::to_size(median, norm);
    ts.norm2 = norm * factor * (norm * factor);
    ts.max_abs *= factor;
    return {R(factor)};
  }
};
static_assert(Transform<NormalizeToMedian>);

}  // namespace agmohd::gradient
