// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "../policy/field.hpp"
#include "../policy/signals.hpp"
#include "gradient.hpp"

namespace agmohd::gradient {

/// Scales all gradients by one factor so that their largest magnitude is at most `max_abs`:
///   g <- g max_abs / max|g|  where max|g| > max_abs
/// ClipByNorm with the infinity norm, as torch's clip_grad_norm_ with norm_type = inf, which
/// divides by max|g| + 1e-6. Unlike ClipByValue it keeps the direction. The bounds of hindrance
/// policies are of 2-norms and are not applied here.
struct ClipByMaxNorm : OneFactor {
  struct Options {
    double max_abs = 1;  ///< largest magnitude of all elements together
  };
  static constexpr auto fields = describe(field("max_abs", &Options::max_abs, above(0)));
  static constexpr TransformKind kind = TransformKind::scale;
  static constexpr unsigned wants = kMaxAbs;
  static constexpr bool norm_of_parts = true;  // of complex elements torch takes |z|
  static const char* name() { return "ClipByMaxNorm"; }

  template <class R>
  AGMOHD_HD static Coefficients<R> at(const Options& o, Signals& s, const Verdict&,
                                      TensorSignals& ts, const TensorVerdict&) {
    // NaN gives NaN, infinity gives 0, as in torch.
    const double factor = s.max_abs <= o.max_abs ? 1 : o.max_abs / s.max_abs;
    s.norm2 *= factor * factor;
    s.max_abs *= factor;
    ts.norm2 *= factor * factor;
    ts.max_abs *= factor;
    return {R(factor)};
  }
};
static_assert(Transform<ClipByMaxNorm>);

}  // namespace agmohd::gradient
