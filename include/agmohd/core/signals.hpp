// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <limits>

namespace agmohd {

/// What a policy asks the reduce pass to measure. A recipe whose policies want nothing has no
/// reduce pass.
enum Want : unsigned { kNothing = 0, kNorm = 1, kNonfinite = 2, kMaxAbs = 4, kLoss = 8 };

/// What one pass over the gradients (after unscaling and the leading element links) measured, over
/// all parameters.
struct Signals {
  double norm2 = 0;            ///< sum of squares
  double max_abs = 0;          ///< largest magnitude; inf or NaN where there is one
  std::int64_t nonfinite = 0;  ///< number of elements that are inf or NaN
  double loss =
      std::numeric_limits<double>::quiet_NaN();  ///< as handed to step(loss); NaN if none was
};

/// What the hindrance policy concludes.
struct Verdict {
  double level = 0;                                             ///< 0 (calm) to 1 (severe)
  double lr_factor = 1;                                         ///< at most 1
  double norm_bound = std::numeric_limits<double>::infinity();  ///< for the global gradient norm
  bool skip =
      false;  ///< leave every bit of parameters and state, every age and the schedule as they are
};

/// What a momentum policy makes of a rule's beta1 in this step.
struct Blend {
  double beta1;  ///< the decay of the first moment
  double look;   ///< 0: use the moment as it is; 1: look one step ahead, as Nesterov does
};

/// The step as a rule sees it, for one tensor.
struct Now {
  std::int64_t
      age;    ///< updates of this tensor, this one included: 1 at first (PyTorch's state['step'])
  double lr;  ///< after schedule and verdict
  Blend blend;
};

}  // namespace agmohd
