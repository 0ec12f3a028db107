// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "normalize.hpp"

namespace agmohd::gradient {

/// Gives each tensor's gradient the root mean square `rms_to`:
///   g <- g rms_to / (sqrt(mean(g^2)) + rms_eps)
/// so that tensors with small gradients move as fast as the others. With rms_eps = 0 it is torch's
/// rms_norm over the whole tensor. Yu et al. 2017 ("Block-Normalized Gradient Method: An Empirical
/// Study for Training Deep Neural Network") divide by the norm, which is sqrt(numel) times larger;
/// pytorch-optimizer's normalize_gradient divides by the standard deviation.
///
/// The global signals that later transforms see do not count it: a clip by the global norm stands
/// in front.
struct NormalizeTensors : OneFactor {
  struct Options {
    double rms_to = 1;      ///< root mean square of the result
    double rms_eps = 1e-8;  ///< added to the root mean square; gradients far below it stay small
  };
  static constexpr auto fields = describe(field("rms_to", &Options::rms_to, above(0)),
                                          field("rms_eps", &Options::rms_eps, at_least(0)));
  static constexpr TransformKind kind = TransformKind::scale;
  static constexpr unsigned wants = kNorm | kTensors;
  static const char* name() { return "NormalizeTensors"; }

  template <class R>
  AGMOHD_HD static Coefficients<R> at(const Options& o, Signals&, const Verdict&, TensorSignals& ts,
                                      const TensorVerdict&) {
    if (ts.numel == 0) return {R(1)};
    const double norm = std::sqrt(ts.norm2), rms = norm / std::sqrt(double(ts.numel));
    const double factor = detail::to_size(o.rms_to, rms + o.rms_eps);
    ts.norm2 = norm * factor * (norm * factor);
    ts.max_abs *= factor;
    return {R(factor)};
  }
};
static_assert(Transform<NormalizeTensors>);

}  // namespace agmohd::gradient
