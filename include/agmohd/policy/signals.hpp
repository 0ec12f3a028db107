// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <limits>

#include "number.hpp"
#include "random.hpp"

namespace agmohd {

/// What a policy asks to be measured, as a sum of bits. A recipe whose policies want nothing has no
/// reduce pass.
enum Want : unsigned {
  kNothing = 0,
  kNorm = 1,        ///< Signals::norm2
  kNonfinite = 2,   ///< Signals::nonfinite
  kMaxAbs = 4,      ///< Signals::max_abs
  kLoss = 8,        ///< Signals::loss
  kTensors = 16,    ///< TensorSignals: the same of each tensor
  kUpdate = 32,     ///< Signals::update2 and updated, by the sweep
  kAlignment = 64,  ///< Signals::along and along_previous, by the sweep
  kGuard = 128,     ///< the sweep calls the rule's guard; Signals::guarded
  kSums = 256,      ///< TensorSignals::summed; set by itself for a rule that has `summed`
  kTotals = 512,    ///< Totals, by the sweep; set by itself for a rule that has `totals`
  kMedian = 1024,   ///< Signals::median, nonzero_tensors; with kNorm, kTensors, on one device
};
/// The wants that the sweep measures rather than the reduce pass: policies see them one step later.
inline constexpr unsigned kSweepWants = kUpdate | kAlignment | kGuard;

/// What the reduce pass measured of all gradients, after the leading element transforms of the
/// chain, and what the sweep of the last applied step measured. A policy finds here what it wants;
/// the rest may be zero.
struct Signals {
  double norm2 = 0;            ///< sum of squares
  double max_abs = 0;          ///< largest magnitude; inf or NaN where there is one
  std::int64_t nonfinite = 0;  ///< number of elements that are inf or NaN
  double median = 0;  ///< of the norms of tensors with elements, as a share of the norm of all
  std::int64_t nonzero_tensors = 0;  ///< whose norm is not 0; where the median is wanted
  double loss =
      std::numeric_limits<double>::quiet_NaN();  ///< as handed to step(loss); NaN if none was
  bool has_loss = false;                         ///< whether a loss was handed over
  double lr = 0;  ///< of the first parameter group, times the schedule's factor, before the verdict
  bool can_roll_back = false;  ///< there is a snapshot to swap in, or one to swap back
  bool can_try_other = false;  ///< after a rollback that failed: there is another snapshot

  // Of the last applied step, u_t being its update (the rule's `direction`) and g_t its gradient.
  // Sums are over a sample of the chunks, see reduction::sample_every().
  double update2 = 0;          ///< sum of squares of u_t
  double updated = 0;          ///< number of elements in the sums; 0: no step yet
  double along_previous = 0;   ///< inner product of g_t and u_{t-1}
  double along = 0;            ///< inner product of g_t and u_t
  std::int64_t guarded = 0;    ///< how many of all elements the rule's guard changed
  std::int64_t throttled = 0;  ///< tensors whose rate was lowered more than the first group's
  std::int64_t spoiled = 0;    ///< non-finite elements of the snapshot that it wrote, if it did
};

/// The part of Signals that a sweep measures, as the optimizer's memory holds it until the next
/// step.
struct Swept {
  double update2 = 0, updated = 0, along_previous = 0, along = 0;
  std::int64_t guarded = 0, throttled = 0, spoiled = 0;
  constexpr void members(auto&& f) {
    f("update2", update2), f("updated", updated), f("along_previous", along_previous),
        f("along", along), f("guarded", guarded), f("throttled", throttled), f("spoiled", spoiled);
  }
};

/// Sums over all elements that the sweep of the last applied step moved, of all tensors together:
/// of the values that the rule's `totals` gives.
template <int N>
struct Totals {
  double of[N] = {};
  constexpr void members(auto&& f) { f("of", of); }
  AGMOHD_HD Totals& operator+=(const Totals& other) {
    for (int w = 0; w < N; ++w) of[w] += other.of[w];
    return *this;
  }
};
/// What is measured for a recipe whose rule has them.
template <int N>
struct SignalsAndTotals : Signals {
  Totals<N> totals{};
};

/// Adds what the sweep of another device measured. Both arguments are a Swept or Signals.
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

/// What the reduce pass measured of one tensor's gradient.
struct TensorSignals {
  double norm2 = 0;            ///< sum of squares
  double max_abs = 0;          ///< largest magnitude
  std::int64_t nonfinite = 0;  ///< number of elements that are inf or NaN
  std::int64_t numel = 0;      ///< elements; 0: the tensor was not measured
  double summed = 0;           ///< sum over the elements of what the rule's `summed` gives
  double lr = 0;               ///< of its group, times the schedule's factor, before the verdict
  Draw draw{};                 ///< of the tensor's random numbers
};

/// What a verdict may report: a bit for each hindrance that the library's detectors know, and two
/// conclusions.
struct Flag {
  enum Bit : unsigned {
    nonfinite = 1,          ///< a gradient or the loss is inf or NaN
    explosion = 2,          ///< a gradient norm far above those before
    step_too_large = 4,     ///< a learning rate that jumped
    impossible_moment = 8,  ///< state that no gradients lead to
    loss_spike = 16,        ///< a loss far above those before
    oscillation = 32,       ///< steps that undo each other
    vanishing = 64,         ///< a gradient below what eps lets the rule see
    plateau = 128,          ///< a mean loss that no longer falls
    accepted = 256,         ///< what looked like a hindrance is taken for the new normal
    give_up = 512,          ///< nothing here can repair this: a later step() throws
  };
};

/// What the hindrance policy concludes from the signals of a step.
struct Verdict {
  double level = 0;      ///< 0 (calm) to 1 (severe)
  double lr_factor = 1;  ///< of every learning rate, at most 1
  double norm_bound = std::numeric_limits<double>::infinity();  ///< for the global gradient norm
  bool skip = false;      ///< leaves all parameters, states, steps and the schedule as they are
  bool rollback = false;  ///< exchanges parameters and state with a snapshot; comes with `skip`
  bool undo = false;      ///< with `rollback`: swaps back what the last rollback swapped out
  bool hindered = false;  ///< the level has reached the threshold: norms are bounded
  bool unstable = false;  ///< steps are too large for the loss: momentum is to be lowered
  unsigned flags = 0;     ///< a sum of Flag bits

  double growth = 0;        ///< RMS(u) of the last applied step over its mean; 0: not known yet
  double first_factor = 1;  ///< of the first parameter group's learning rate, beside lr_factor

  double schedule = 1;  ///< the schedule's factor in this step; not set by the hindrance policy

  // Set by the recovery policy: the number of a snapshot, or -1 for none.
  int save = -1;  ///< this step's results are written to it
  int swap = -1;  ///< it is exchanged with parameters and state
};

/// What the hindrance policy concludes about one tensor.
struct TensorVerdict {
  double norm_bound = std::numeric_limits<double>::infinity();  ///< for the tensor's gradient norm
  double lr_factor = 1;  ///< of the tensor's learning rate, beside Verdict's; at most 1
  unsigned flags = 0;    ///< a sum of Flag bits
};

/// What a momentum policy makes of a rule's beta1 in this step.
struct Blend {
  double beta1;  ///< the decay of the first moment
  double look;   ///< 0: use the moment as it is; 1: look one step ahead, as Nesterov does
};

/// The factor by which float state may exceed a bound that holds in exact arithmetic.
inline constexpr double kSlack = 1.01;

/// The step as a rule sees it, for one tensor.
struct Now {
  std::int64_t step;       ///< updates of this tensor, from 1, as PyTorch's state['step']
  double lr;               ///< after schedule and verdict
  Blend blend;             ///< the momentum to use
  double mean = 0;         ///< over the tensor's elements, of what the rule's `summed` gives
  double norm2 = 0;        ///< sum of squares of the tensor's gradient, after the transforms
  std::int64_t numel = 0;  ///< 0: the tensor was not measured
};

}  // namespace agmohd
