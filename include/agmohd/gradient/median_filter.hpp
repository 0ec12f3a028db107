// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "../policy/field.hpp"
#include "../policy/signals.hpp"
#include "gradient.hpp"

namespace agmohd::gradient {

/// Replaces the outliers of each tensor's gradient by the median of its magnitudes, with the sign
/// that they had. An outlier is an element with a modified z-score above `outlier_z` (Iglewicz and
/// Hoaglin 1993, "How to Detect and Handle Outliers"):
///   m = median(|g|),  MAD = median(||g| - m|),  0.6745 (|g| - m) / MAD > outlier_z
/// The noise filter of agmohd's Python package, with its sign mended: that takes distances from m
/// of elements with their sign, so that negative ones count as far, and gives outliers the value m,
/// whatever their sign was. As there, medians are torch.median's, the lower of two middle ones,
/// and a tensor of ten elements or fewer, or with a MAD of 0, stays as it is. So does an element
/// whose magnitude is far below m: no element grows. One that is not finite passes as it is, for
/// the hindrance policy to see.
///
/// Of Gaussian gradients one element in 165 is an outlier, of Student's t with 3 degrees of freedom
/// one in 22. Embeddings, where most rows have no gradient, have a MAD of 0.
///
/// Medians are of the gradients as they come, so it stands in front. Norms are measured behind it.
/// Finding the two medians takes six passes over float32 gradients (12 over float64); on CUDA 13
/// (25) launches, and 8 KiB a tensor in the table of a step, of which every captured graph has one.
struct MedianFilter : AppliedBefore {
  struct Options {
    double outlier_z = 3.5;  ///< modified z-score above which an element is an outlier
  };
  static constexpr auto fields = describe(field("outlier_z", &Options::outlier_z, above(0)));
  static constexpr TransformKind kind = TransformKind::element;
  static constexpr unsigned wants = kNothing;
  static const char* name() { return "MedianFilter"; }

  AGMOHD_HD static Outliers outliers(const Options& o, double median, double deviation,
                                     std::int64_t numel) {
    if (numel <= 10 || !(deviation > 0)) return {};
    return {median + o.outlier_z * deviation / 0.6745, median};
  }
};
static_assert(Transform<MedianFilter> && has::outliers<MedianFilter>);

}  // namespace agmohd::gradient
