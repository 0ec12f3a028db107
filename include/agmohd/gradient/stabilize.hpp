// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>
#include <limits>

#include "../policy/field.hpp"
#include "../policy/signals.hpp"
#include "gradient.hpp"

namespace agmohd::gradient {

/// AdaClip and AdaGN of Stable-SPAM (Huang et al. 2025, algorithm 1), tensor by tensor:
/// - AdaClip: T is an exponential mean of the tensor's largest magnitude; elements beyond T are
///   multiplied with T / largest.
/// - AdaGN: the norm of the result becomes m / (sqrt(v) + 1e-8), m and v being exponential means of
///   the norm and of its square.
/// All means are bias-corrected.
///
/// AdaGN needs the norm after AdaClip, for which the authors read the gradients again. Here it is
/// taken as sqrt(norm^2 - largest^2 + T^2), and at most sqrt(numel) T. That is exact if one element
/// is beyond T, and too large if several are: in a burst, and for some steps after it, gradients
/// come out smaller than the authors'.
///
/// As published, one non-finite gradient makes all later ones NaN. With `stabilize_repaired` it
/// passes unchanged and no mean learns it; to skip the step is the hindrance policy's business.
/// A transform that looks at all gradients together, such as ClipByNorm, is to stand in front: the
/// global signals do not count what this one does.
struct Stabilize {
  struct Options {
    Pair stabilize_norm{0.7, 0.9};   ///< decays of the means of the norm and of its square
    double stabilize_max = 0.999;    ///< decay of the mean of the largest magnitude
    bool stabilize_repaired = true;  ///< a non-finite gradient passes and is not learnt
  };
  /// A bias-corrected exponential mean.
  struct Mean {
    double sum = 0, unseen = 1;  ///< the uncorrected mean, which began with 0; the weight of this 0
    constexpr void members(auto&& f) { f("sum", sum), f("unseen", unseen); }
    AGMOHD_HD double learn(double x, double decay) {
      sum = decay * sum + (1 - decay) * x;
      unseen *= decay;
      return sum / (1 - unseen);
    }
  };
  struct TensorMemory {
    Mean max_abs, norm, norm2;
    constexpr void members(auto&& f) { f("max_abs", max_abs), f("norm", norm), f("norm2", norm2); }
  };
  static constexpr auto fields =
      describe(field("stabilize_norm", &Options::stabilize_norm, in(0, 1)),
               field("stabilize_max", &Options::stabilize_max, in(0, 1)),
               field("stabilize_repaired", &Options::stabilize_repaired));
  static constexpr TransformKind kind = TransformKind::scale;
  static constexpr unsigned wants = kNorm | kMaxAbs | kTensors;
  static const char* name() { return "Stabilize"; }

  template <class R>
  struct Coefficients {
    /// T if an element is beyond it, else infinity; T / largest, for the elements beyond T; AdaGN's
    /// factor of all elements.
    R limit = std::numeric_limits<R>::infinity(), shrink = 1, factor = 1;
  };

  template <class R>
  AGMOHD_HD static Coefficients<R> at(const Options& o, Signals&, const Verdict&, TensorSignals& ts,
                                      const TensorVerdict&, TensorMemory& m) {
    Coefficients<R> k;
    const bool finite = ts.norm2 - ts.norm2 == 0;
    if (ts.numel == 0 || (o.stabilize_repaired && !finite)) return k;
    const double limit = m.max_abs.learn(ts.max_abs, o.stabilize_max), limit2 = limit * limit;
    double norm2 = ts.norm2;
    if (ts.max_abs > limit) {
      k.limit = R(limit);
      k.shrink = R(limit / ts.max_abs);
      const double clipped2 = std::fmax(norm2 - ts.max_abs * ts.max_abs, 0.0) + limit2;
      norm2 = std::fmin(clipped2, double(ts.numel) * limit2);
      ts.max_abs = limit;
    }
    const double norm = std::sqrt(norm2);
    const double mean = m.norm.learn(norm, o.stabilize_norm.first);
    const double root = std::sqrt(m.norm2.learn(norm2, o.stabilize_norm.second));
    const double factor = norm <= kTiny ? 1 : mean / (root + kEps) / norm;
    ts.norm2 = norm2 * factor * factor;
    ts.max_abs *= factor;
    k.factor = R(factor);
    return k;
  }

  template <Number T>
  AGMOHD_HD static T apply(const T& g, const Coefficients<Real<T>>& k) {
    const T limit = math::like(g, k.limit);
    return k.factor * math::select(math::abs(g) > limit, T(k.shrink * g), g);
  }

 private:
  // The authors'; the norm below which float could not hold the factor.
  static constexpr double kEps = 1e-8, kTiny = 1e-30;
};
static_assert(Transform<Stabilize> && has::transform_remembers<Stabilize>);

}  // namespace agmohd::gradient
