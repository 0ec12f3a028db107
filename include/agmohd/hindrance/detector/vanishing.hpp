// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "detector.hpp"

namespace agmohd::hindrance {

/// Reports a tensor whose gradient has an RMS below 10 `vanishing_eps`: there Adam's eps is no
/// longer small beside the root, and the update shrinks with the gradient. Nothing acts on it.
/// agmohd's own.
struct Vanishing {
  struct Options {
    double vanishing_eps = 1e-8;  ///< the rule's eps; an RMS below 10 times it is reported
  };
  struct Memory {};
  struct TensorMemory {};
  static constexpr auto fields =
      describe(field("vanishing_eps", &Options::vanishing_eps, at_least(0)));
  static constexpr unsigned wants = kNorm | kTensors;
  static const char* name() { return "Vanishing"; }

  AGMOHD_HD static void examine(const Options&, const Signals&, const Memory&, Verdict&) {}
  AGMOHD_HD static void learn(const Options&, const Signals&, const Verdict&, Memory&) {}
  AGMOHD_HD static Verdict judge(const Options& o, const Signals& s, Memory& m) {
    return conclude<Vanishing>(o, s, m);
  }
  AGMOHD_HD static TensorVerdict judge_tensor(const Options& o, const TensorSignals& s,
                                              const Verdict&, const Memory&, TensorMemory&) {
    const double least = 10 * o.vanishing_eps;
    TensorVerdict out;
    if (s.norm2 < least * least * double(s.numel)) out.flags = Flag::vanishing;
    return out;
  }
};
static_assert(IsDetector<Vanishing> && Hindrance<Vanishing> && has::judge_tensor<Vanishing>);

}  // namespace agmohd::hindrance
