// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <locale>
#include <sstream>
#include <string>
#include <vector>

#include "../step/record.hpp"

// Templates without a real parameter, as in records.hpp.
namespace agmohd::monitor {

namespace detail {

/// NaN of nothing.
template <class = void>
double median(std::vector<double> x) {
  if (x.empty()) return std::numeric_limits<double>::quiet_NaN();
  const auto middle = x.begin() + std::ptrdiff_t(x.size() / 2);
  std::nth_element(x.begin(), middle, x.end());
  return *middle;
}
/// Of a quarter of the values: the first one is 0.
template <class = void>
double median_of_quarter(const std::vector<double>& x, std::size_t quarter) {
  const auto at = [&](std::size_t q) { return x.begin() + std::ptrdiff_t(q * x.size() / 4); };
  return median({at(quarter), at(quarter + 1)});
}

}  // namespace detail

/// What the records of applied steps say of the learning rate; NaN where they do not.
struct LrEvidence {
  static constexpr double unknown = std::numeric_limits<double>::quiet_NaN();
  std::int64_t steps = 0;    ///< applied steps with a finite loss, the newest 256 at most
  double lr = unknown;       ///< median learning rate of these steps
  double rate = unknown;     ///< that over the largest one of the run; 1 if it never fell
  double fall = unknown;     ///< 1 - last quarter's median loss over that of the first quarter
  double noise = unknown;    ///< median change of the loss from step to step, over its last median
  double growth = unknown;   ///< last quarter's median gradient norm over that of the first quarter
  double clipped = unknown;  ///< share of steps whose gradients were clipped
  double update_rms = unknown;  ///< median RMS of the update, without the learning rate
  double moved = unknown;       ///< median RMS of lr times the update
  double relative = unknown;    ///< `moved` over the RMS of the parameters as they are now
  double alignment = unknown;  ///< mean of <g_t, u_{t-1}> over that of <g_t, u_t>, the newest steps
};

/// All but `rate`, `relative` and `alignment`, which records do not have.
template <class = void>
LrEvidence lr_evidence(const std::vector<Record>& records) {
  LrEvidence e;
  std::vector<double> losses, changes, norms, rates, updates, moves;
  const Record* before = nullptr;  // the last applied step
  std::int64_t clipped = 0;
  for (const Record& r : records) {
    if (before != nullptr && r.update_rms > 0 && r.updates == before->updates + 1) {
      updates.push_back(r.update_rms);
      moves.push_back(r.update_rms * before->lr);
    }
    if (r.skipped != 0 || !std::isfinite(r.loss) || !std::isfinite(r.norm)) continue;
    if (!losses.empty()) changes.push_back(std::fabs(r.loss - losses.back()));
    losses.push_back(r.loss);
    norms.push_back(r.norm);
    rates.push_back(r.lr);
    clipped += r.clip_factor < 1 ? 1 : 0;
    before = &r;
  }
  e.steps = std::int64_t(losses.size());
  if (e.steps < 4) return e;
  const double first = detail::median_of_quarter(losses, 0);
  const double last = detail::median_of_quarter(losses, 3);
  if (first > 0 && last > 0) {
    e.fall = 1 - last / first;
    e.noise = detail::median(changes) / last;
  }
  e.growth = detail::median_of_quarter(norms, 3) / detail::median_of_quarter(norms, 0);
  e.clipped = double(clipped) / double(e.steps);
  e.lr = detail::median(rates);
  e.update_rms = detail::median(updates);
  e.moved = detail::median(moves);
  return e;
}

/// Bounds of lr_advice(). agmohd's own: fitted to sweeps of AdamW over an MLP, a GPT and a ViT of
/// 20 to 100 thousand parameters, benchmarks/stability.
struct LrBounds {
  std::int64_t steps = 100;  ///< fewer say nothing
  double least = 4e-3;       ///< relative size of a step at the largest rate: too small below it,
  double persistent = 0.1;   ///< if the alignment is above this
  double vanished = 0.05;    ///< and the RMS of the update too: else gradients make the step small
  double most = 3e-2;        ///< relative size of a step at the largest rate: too large above it
  double undone = -0.12;     ///< or above `least`, if the alignment is below this
};

enum class LrLooks { unclear, too_small, too_large };

struct LrAdvice {
  LrLooks looks = LrLooks::unclear;
  std::string text;  ///< a line with the evidence; empty if it is unclear
};

/// Whether the learning rate of a run, at its largest, looks too small or too large. A step is
/// small or large by what it moves the parameters in relation to their size, with the rate's decay
/// taken out of it. Where the rate is too small gradients change little, so that <g_t, u_{t-1}> is
/// nearly <g_t, u_t>; where it is right that is about 0, and negative where steps undo each other.
/// A decade or more of rates is about right; of these it says nothing, nor of a loss that has
/// converged without noise, whose steps are small and undo each other.
template <class = void>
LrAdvice lr_advice(const LrEvidence& e, const LrBounds& bounds = {}) {
  LrAdvice out;
  if (e.steps < bounds.steps) return out;
  const double relative = e.rate > 0 ? e.relative / e.rate : e.relative;
  const bool small =
      relative < bounds.least && e.alignment > bounds.persistent && e.update_rms > bounds.vanished;
  const bool large =
      relative > bounds.most || (relative >= bounds.least && e.alignment < bounds.undone);
  if (small == large) return out;
  out.looks = small ? LrLooks::too_small : LrLooks::too_large;
  std::ostringstream text;
  text.imbue(std::locale::classic());
  text.precision(2);
  text << "The learning rate looks too " << (small ? "small" : "large") << ": ";
  text << "at its largest a step moved the parameters by " << 100 * relative
       << " % of their size (usual: " << 100 * bounds.least << " to " << 100 * bounds.most
       << " %), ";
  if (!std::isnan(e.alignment)) {
    text << "gradients agree with the step before by " << e.alignment << " (usual: about 0), ";
  }
  text << 100 * e.clipped << " % of the last " << e.steps << " steps were clipped.\n";
  out.text = text.str();
  return out;
}

}  // namespace agmohd::monitor
