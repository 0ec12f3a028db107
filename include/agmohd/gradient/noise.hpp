// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>
#include <cstdint>

#include "../policy/field.hpp"
#include "../policy/power.hpp"
#include "../policy/signals.hpp"
#include "gradient.hpp"

namespace agmohd::gradient {

/// Adds Gaussian noise of mean 0 and variance eta / (1 + t)^gamma to every element, t being the
/// optimizer's updates so far. Neelakantan et al. 2015, "Adding Gradient Noise Improves Learning
/// for Very Deep Networks", equation 1; they take eta of 0.01, 0.3 or 1, and gamma = 0.55.
///
/// The noise of an element is a function of (seed, t, parameter, element), see policy/random.hpp:
/// it is the same on every device and after a resume, and a step that is skipped is tried with the
/// same noise again. Norms are measured with the noise where no transform that is
/// no element transform, such as ClipByNorm, stands before it.
struct Noise {
  struct Options {
    double noise_eta = 0.01;      ///< variance of the noise of the first step
    double noise_gamma = 0.55;    ///< how fast it decays; 0: never
    std::int64_t noise_seed = 0;  ///< of the random numbers
  };
  static constexpr auto fields = describe(field("noise_eta", &Options::noise_eta, at_least(0)),
                                          field("noise_gamma", &Options::noise_gamma, at_least(0)),
                                          field("noise_seed", &Options::noise_seed));
  static constexpr TransformKind kind = TransformKind::element;
  static constexpr unsigned wants = kNothing;
  static const char* name() { return "Noise"; }

  template <class R>
  struct Coefficients {
    random::Key key;  ///< of the tensor's random numbers in this step
    R deviation;      ///< the square root of the variance
  };

  template <class R>
  AGMOHD_HD static Coefficients<R> at(const Options& o, Signals&, const Verdict&, TensorSignals& ts,
                                      const TensorVerdict&) {
    const double decayed = math::pow(double(ts.draw.updates + 1), -o.noise_gamma);
    return {random::key(o.noise_seed, ts.draw, random::Purpose::noise),
            R(std::sqrt(o.noise_eta * decayed))};
  }

  template <Number T>
  AGMOHD_HD static T apply(const T& g, const Coefficients<Real<T>>& k, const Position& position) {
    return g + k.deviation * random::normal(g, k.key, position);
  }
};
static_assert(Transform<Noise>);

}  // namespace agmohd::gradient
