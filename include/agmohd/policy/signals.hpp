// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <limits>

#include "number.hpp"

namespace agmohd {

/// What a policy asks to be measured. A recipe whose policies want nothing has no reduce pass.
enum Want : unsigned {
  kNothing = 0,
  kNorm = 1,
  kNonfinite = 2,
  kMaxAbs = 4,
  kLoss = 8,
  kTensors = 16,    ///< the same sums for each tensor
  kUpdate = 32,     ///< the sweep measures what it subtracts
  kAlignment = 64,  ///< the sweep measures gradients against updates
  kGuard = 128,     ///< the sweep guards the rule's slots and counts what it changed
  kSums = 256,      ///< the rule's sums; a rule that has some asks itself
};
/// Those of a Want that the sweep measures; they are used one step later.
inline constexpr unsigned kSweepWants = kUpdate | kAlignment | kGuard;

/// What one pass over the gradients (after unscaling and the leading element transforms) measured,
/// over all parameters, and what the sweep of the last applied step did.
struct Signals {
  double norm2 = 0;            ///< sum of squares
  double max_abs = 0;          ///< largest magnitude; inf or NaN where there is one
  std::int64_t nonfinite = 0;  ///< number of elements that are inf or NaN
  double loss =
      std::numeric_limits<double>::quiet_NaN();  ///< as handed to step(loss); NaN if none was
  bool has_loss = false;                         ///< whether a loss was handed over
  double lr = 0;  ///< of the first parameter group in this step, after the schedule alone
  bool can_roll_back = false;  ///< there is a snapshot to swap in, or one to swap back
  bool can_try_other = false;  ///< after a rollback that failed: there is another snapshot

  // Of the last applied step, u being what the rule's `direction` gave; sums over some of the
  // chunks, see reduction::sample_every()
  double update2 = 0;          ///< of squares of u
  double updated = 0;          ///< number of elements in the sums; 0: no step yet
  double along_previous = 0;   ///< <g_t, u_{t-1}>
  double along = 0;            ///< <g_t, u_t>
  std::int64_t guarded = 0;    ///< of all elements, those that the rule's guard changed
  std::int64_t throttled = 0;  ///< tensors whose learning rate was lowered more than the first's
  std::int64_t spoiled = 0;    ///< elements that are not finite in the snapshot that it wrote
};

/// What a measured sweep measured, over all parameters; see Signals.
struct Swept {
  double update2 = 0, updated = 0, along_previous = 0, along = 0;
  std::int64_t guarded = 0, throttled = 0, spoiled = 0;
  constexpr void members(auto&& f) {
    f("update2", update2), f("updated", updated), f("along_previous", along_previous),
        f("along", along), f("guarded", guarded), f("throttled", throttled), f("spoiled", spoiled);
  }
};

/// Adds what was swept elsewhere, or earlier; each a Swept or Signals.
template <class To, class From>
AGMOHD_HD void add_swept(To& to, const From& from) {
  to.update2 += from.update2;
  to.updated += from.updated;
  to.along_previous += from.along_previous;
  to.along += from.along;
  to.guarded += from.guarded;
  to.throttled += from.throttled;
  to.spoiled += from.spoiled;
}

/// The same of one tensor's gradient.
struct TensorSignals {
  double norm2 = 0;
  double max_abs = 0;
  std::int64_t nonfinite = 0;
  std::int64_t numel = 0;  ///< 0: not measured
  double summed = 0;       ///< of what the rule's `summed` gave
  double lr = 0;           ///< of its parameter group in this step, after the schedule alone
};

/// What a verdict may report, a bit for each kind of hindrance.
struct Flag {
  enum Bit : unsigned {
    nonfinite = 1,
    explosion = 2,
    step_too_large = 4,
    impossible_moment = 8,
    loss_spike = 16,
    oscillation = 32,
    vanishing = 64,
    plateau = 128,
    accepted = 256,  ///< what looked like a hindrance is the new regime
    give_up = 512,   ///< no rule here can repair this: the host is to raise an error
  };
};

/// What the hindrance policy concludes.
struct Verdict {
  double level = 0;                                             ///< 0 (calm) to 1 (severe)
  double lr_factor = 1;                                         ///< of all tensors, at most 1
  double norm_bound = std::numeric_limits<double>::infinity();  ///< for the global gradient norm
  bool skip =
      false;  ///< leave every bit of parameters and state, every step and the schedule as they are
  bool rollback = false;  ///< exchange parameters and state with a snapshot; comes with `skip`
  bool undo = false;      ///< with `rollback`: swap back what the last one swapped out
  bool hindered = false;  ///< the level has reached the threshold: policies act
  bool unstable = false;  ///< steps are too large for the loss: momentum is to be lowered
  unsigned flags = 0;     ///< of Flag

  double growth = 0;        ///< RMS(u) of the last applied step, in means of it; 0: not known yet
  double first_factor = 1;  ///< of the first parameter group's learning rate, beside lr_factor

  double schedule = 1;  ///< the factor of the schedule in this step

  // What the recovery policy makes of it; -1: nothing
  int save = -1;  ///< the snapshot that this step's results are written to
  int swap = -1;  ///< the snapshot that is exchanged with parameters and state
};

/// What the hindrance policy concludes about one tensor.
struct TensorVerdict {
  double norm_bound = std::numeric_limits<double>::infinity();  ///< for the tensor's gradient norm
  double lr_factor = 1;                                         ///< beside Verdict's, at most 1
  unsigned flags = 0;                                           ///< of Flag
};

/// What a momentum policy makes of a rule's beta1 in this step.
struct Blend {
  double beta1;  ///< the decay of the first moment
  double look;   ///< 0: use the moment as it is; 1: look one step ahead, as Nesterov does
};

/// How far state in single precision may exceed a bound that holds in exact arithmetic.
inline constexpr double kSlack = 1.01;

/// The step as a rule sees it, for one tensor.
struct Now {
  std::int64_t
      step;   ///< updates of this tensor, this one included: 1 at first (PyTorch's state['step'])
  double lr;  ///< after schedule and verdict
  Blend blend;
  double mean = 0;         ///< over the tensor's elements, of what the rule's `summed` gave
  double norm2 = 0;        ///< sum of squares of the tensor's gradient as the rule sees it
  std::int64_t numel = 0;  ///< 0: the tensor was not measured
};

}  // namespace agmohd
