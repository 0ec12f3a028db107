// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>

#include "adaptive_clip.hpp"

namespace agmohd::gradient {

enum class Clipping : std::int64_t { adaptive, global_norm, per_tensor, value, none };

/// A way of clipping that is chosen at run time: AdaptiveClip, ClipByNorm, each tensor's norm to
/// `max_norm`, each element to [-max_value, max_value], or none. The signals are of the gradients
/// before the clip, also with `value`. What is within its bound keeps its bits.
struct Choice {
  struct Options {
    Clipping gradient_clipping = Clipping::adaptive;  ///< what is clipped, and how
    double max_norm = 1;                              ///< largest 2-norm, of all or of a tensor
    double max_value = 1;                             ///< largest magnitude, with `value`
  };
  static constexpr auto fields =
      describe(field("gradient_clipping", &Options::gradient_clipping,
                     choices("adaptive", "global_norm", "per_tensor", "value", "none")),
               field("max_norm", &Options::max_norm, above(0)),
               field("max_value", &Options::max_value, above(0)));
  static constexpr TransformKind kind = TransformKind::scale;
  static constexpr unsigned wants = kNorm | kTensors;
  static constexpr bool applies_norm_bound = true, applies_tensor_bounds = true;
  static const char* name() { return "Choice"; }
  static const char* needs(const Options& o, std::string_view name) {
    const Clipping by = o.gradient_clipping;
    if (name == "max_value" && by != Clipping::value) return "gradient_clipping = value";
    const bool no_norm = by == Clipping::value || by == Clipping::none;
    return name == "max_norm" && no_norm ? "gradient_clipping = adaptive, global_norm or per_tensor"
                                         : nullptr;
  }

  template <class R>
  struct Coefficients {
    /// Of the gradient; the largest magnitude that it may have then.
    R factor = 1, max_value = std::numeric_limits<R>::infinity();
  };

  template <class R>
  AGMOHD_HD static Coefficients<R> at(const Options& o, Signals& s, const Verdict& v,
                                      TensorSignals& ts, const TensorVerdict& tv) {
    Coefficients<R> k;
    switch (o.gradient_clipping) {
      case Clipping::adaptive:
        k.factor = AdaptiveClip::at<R>({o.max_norm}, s, v, ts, tv).factor;
        break;
      case Clipping::global_norm:
        k.factor = AdaptiveClip::at<R>({o.max_norm}, s, v, ts, {}).factor;
        break;
      case Clipping::per_tensor: {
        const double norm = std::sqrt(ts.norm2);
        const double factor = norm <= o.max_norm ? 1 : o.max_norm / norm;
        ts.norm2 *= factor * factor;
        ts.max_abs *= factor;
        k.factor = R(factor);
        break;
      }
      case Clipping::value:
        k.max_value = R(o.max_value);
        bound(ts, o.max_value);
        break;
      case Clipping::none:
        break;
    }
    return k;
  }

  template <Number T>
  AGMOHD_HD static T apply(const T& g, const Coefficients<Real<T>>& k) {
    return math::clamp(T(k.factor * g), k.max_value);
  }

 private:
  /// What is known of the tensor after the clamp: an upper bound of its norm.
  AGMOHD_HD static void bound(TensorSignals& ts, double max_value) {
    const double most = double(ts.numel) * max_value * max_value;
    if (ts.numel > 0 && ts.norm2 > most) ts.norm2 = most;
    if (ts.max_abs > max_value) ts.max_abs = max_value;
  }
};
static_assert(Transform<Choice>);

}  // namespace agmohd::gradient
