// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>

#include "../gradient/chain.hpp"
#include "../momentum/momentum.hpp"
#include "../policy/signals.hpp"
#include "../rule/rule.hpp"
#include "record.hpp"

namespace agmohd::detail {

/// The record of a step, which also goes to the tally. `m`: after the step's count of updates. That
/// of a skipped step has the learning rate that it would have been taken with.
template <class Recipe>
AGMOHD_HD Record make_record(const typename Recipe::Shared& o, const typename Recipe::Group& first,
                             Signals s, const Verdict& v, typename Recipe::Memory& m) {
  using Gradient = typename Recipe::Gradient;
  Record r;
  if constexpr (Recipe::recorded) {
    m.tally.steps += 1;
    r.step = m.tally.steps;
    r.updates = m.updates - (v.skip ? 0 : 1);
    if (s.has_loss) r.loss = s.loss;
    r.lr_factor = v.lr_factor * v.first_factor;
    r.lr = r.lr_factor * s.lr;
    r.norm = std::sqrt(s.norm2);
    if (s.updated > 0) r.update_rms = std::sqrt(s.update2 / s.updated);
    r.level = v.level;
    TensorSignals ts;
    Signals unbounded = s;
    (void)gradient::transform_at<double, Gradient>(o.gradient, s, v, ts, TensorVerdict{});
    if (r.norm > 0 && r.norm - r.norm == 0) r.clip_factor = std::sqrt(s.norm2) / r.norm;
    double beta1 = 0;
    if constexpr (has::beta1<typename Recipe::Rule>) {
      beta1 = Recipe::Rule::beta1(first.rule);
      const Blend blend = Recipe::blend(o, first, m, r.updates);
      r.momentum = blend.beta1;
      r.lr *= Recipe::brake(first, blend);
    }
    if constexpr (has::lr_with<typename Recipe::Rule>) {
      if constexpr (Recipe::totals) {
        const auto rule = v.skip ? Recipe::next_rule_memory(o, first, m, v) : m.rule;
        r.lr = Recipe::Rule::lr(first.rule, {r.updates + 1, r.lr, {}}, rule);
      } else {
        r.lr = Recipe::Rule::lr(first.rule, {r.updates + 1, r.lr, {}}, m.rule);
      }
    }
    r.flags = v.flags;
    r.skipped = v.skip ? 1 : 0;
    r.rolled_back = v.rollback ? 1 : 0;
    r.hindered = v.hindered ? 1 : 0;
    for (int kind = 0; kind < Tally::skip; ++kind) {
      if ((v.flags >> unsigned(kind) & 1U) != 0) m.tally.add(kind);
    }
    r.gave_up = m.tally.last[Tally::give_up];
    if (v.skip) m.tally.add(Tally::skip);
    if (v.rollback) m.tally.add(Tally::rollback);
    if (v.skip) return r;
    if (r.clip_factor < 1) m.tally.add(Tally::clip);
    if (v.norm_bound < Verdict{}.norm_bound) {  // whether the clip alone would have done less
      Verdict open = v;
      open.norm_bound = Verdict{}.norm_bound;
      (void)gradient::transform_at<double, Gradient>(o.gradient, unbounded, open, ts,
                                                     TensorVerdict{});
      if (s.norm2 < unbounded.norm2) m.tally.add(Tally::bound);
    }
    if (r.lr_factor < 1 || s.throttled > 0) m.tally.add(Tally::throttle);
    if (!has::cycled_blend<typename Recipe::Momentum> && r.momentum < beta1)
      m.tally.add(Tally::momentum);
  }
  return r;
}

}  // namespace agmohd::detail
