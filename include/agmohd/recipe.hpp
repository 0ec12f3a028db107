// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>

#include "core/concepts.hpp"
#include "core/elements.hpp"
#include "core/recipe_checks.hpp"
#include "core/record.hpp"
#include "gradient/chain.hpp"
#include "hindrance/none.hpp"
#include "momentum/fixed.hpp"
#include "schedule/constant.hpp"
#include "storage/native.hpp"

namespace agmohd {

/// One policy of each family, and how state is stored. A recipe says what a step does;
/// Optimizer<Recipe> is what a program holds.
template <class RulePolicy, class HindrancePolicy = hindrance::None,
          class MomentumPolicy = momentum::Fixed, class GradientPolicy = gradient::None,
          class SchedulePolicy = schedule::Constant, class StoragePolicy = storage::Native>
struct Recipe {
  using Rule = RulePolicy;
  using Hindrance = HindrancePolicy;
  using Momentum = MomentumPolicy;
  using Gradient = GradientPolicy;
  using Schedule = SchedulePolicy;
  using Storage = StoragePolicy;

  static_assert(detail::CheckRule<Rule>::passed && detail::CheckHindrance<Hindrance>::passed &&
                detail::CheckMomentum<Momentum>::passed &&
                detail::CheckGradient<Gradient>::passed &&
                detail::CheckSchedule<Schedule>::passed && detail::CheckStorage<Storage>::passed);
  static_assert(!Momentum::needs_first_moment || has::beta1<Rule>,
                "agmohd: this momentum policy needs a rule with a first moment (a static function "
                "beta1(options))");

  /// 0: the step has no reduce pass, and its sweep measures nothing.
  static constexpr unsigned wants = Hindrance::wants | Gradient::wants;
  static constexpr int slot_count = int(Rule::slot_names.size());
  /// Whether the lanes have to take the watched sweep.
  static constexpr bool watched = (wants & kSweepWants) != 0;
  /// Whether steps are recorded.
  static constexpr bool recorded = Hindrance::wants != 0;

  template <class T>
  using Slots = typename Rule::template Slots<T>;

  /// What a step computes, without how state is stored.
  static std::string policies() {
    return Rule::name() + "/" + Hindrance::name() + "/" + Momentum::name() + "/" +
           Gradient::name() + "/" + Schedule::name();
  }
  static std::string name() {
    return std::is_same_v<Storage, storage::Native> ? policies()
                                                    : policies() + "/" + Storage::name();
  }

  /// Options of the optimizer as a whole, as the device reads them.
  struct Shared {
    typename Hindrance::Options hindrance{};
    typename Momentum::Options momentum{};
    typename Gradient::Options gradient{};
    typename Schedule::Options schedule{};
    typename Storage::Options storage{};
  };
  /// Options of one parameter group.
  struct Group {
    double lr = 0;
    typename Rule::Options rule{};
  };

  /// Memory of the optimizer (no [[no_unique_address]]: nvcc lays it out differently for host and
  /// device). `updates` counts applied steps and drives the schedule.
  struct Memory {
    std::int64_t updates = 0;
    typename Hindrance::Memory hindrance{};
    typename Momentum::Memory momentum{};
    typename detail::ScheduleMemory<Schedule>::type schedule{};
    std::conditional_t<watched, Swept, detail::NoMemory> swept{};  ///< by the last applied step
    std::conditional_t<recorded, Tally, detail::NoMemory> tally{};
  };
  /// What the hindrance policy knows of one tensor.
  struct TensorWatch {
    typename detail::TensorMemory<Hindrance>::type memory{};
    std::int64_t exploded = 0;  ///< steps in which it was clipped by itself
  };
  /// Memory of one tensor. `age` counts its applied updates.
  struct PerTensor {
    std::int64_t age = 0;
    typename Rule::Memory rule{};
    std::conditional_t<has::judge_tensor<Hindrance>, TensorWatch, detail::NoMemory> hindrance{};
    typename detail::TensorMemory<Gradient>::type gradient{};
  };

  template <class R>
  struct Coefficients {
    typename Rule::template Coefficients<R> rule;
    typename Gradient::template Coefficients<R> gradient;
    R lr, decay;
    typename Storage::Key storage;
  };

  /// The learning rate of a group in this step, after the schedule, before the verdict; that of
  /// the first group is Signals::lr.
  AGMOHD_HD static double scheduled_lr(const Shared& o, const Group& group, const Memory& m) {
    if constexpr (has::schedule_memory<Schedule>) {
      return group.lr * Schedule::factor(o.schedule, m.updates, m.schedule);
    } else {
      return group.lr * Schedule::factor(o.schedule, m.updates);
    }
  }

  /// What the sweep before measured, as it stands in the memory, joins what the reduce pass did.
  AGMOHD_HD static void join(Signals& s, const Memory& m) {
    if constexpr (watched) {
      s.update2 = m.swept.update2;
      s.updated = m.swept.updated;
      s.along_previous = m.swept.along_previous;
      s.along = m.swept.along;
      s.guarded = m.swept.guarded;
    }
  }

  /// Phase 2 for the optimizer as a whole. `first`: the first parameter group. The record, where
  /// the recipe has records, is of this step.
  AGMOHD_HD static Verdict judge(const Shared& o, const Group& first, Signals& s, Memory& m,
                                 Record& record) {
    if constexpr (!recorded) {
      return judge(o, s, m);
    } else {
      s.lr = scheduled_lr(o, first, m);
      Verdict v = judge(o, s, m);
      if (v.rollback) {  // it comes with a skip; there are no snapshots to go back to
        v.rollback = false;
        v.flags |= Flag::give_up;
      }
      record = note(o, first, s, v, m);
      return v;
    }
  }

  /// Once a step: the verdict, and what the other policies make of it. A skipped step leaves the
  /// optimizer's memory as it is, but for what the hindrance policy itself counts.
  AGMOHD_HD static Verdict judge(const Shared& o, const Signals& s, Memory& m) {
    const Verdict v = Hindrance::judge(o.hindrance, s, m.hindrance);
    if (v.skip) return v;
    Momentum::advance(o.momentum, v, m.momentum);
    if constexpr (has::schedule_memory<Schedule>) Schedule::advance(o.schedule, v, m.schedule);
    return v;
  }

  /// Once a step and tensor, not called in a skipped step. The caller then adds 1 to `m.updates`.
  /// `index`: the parameter's number over all groups. `ts`: needed with kTensors alone.
  template <class R>
  AGMOHD_HD static Coefficients<R> decide(const Shared& o, const Group& group, Signals s,
                                          const Verdict& v, const Memory& m, PerTensor& tensor,
                                          std::int32_t index = 0, TensorSignals ts = {}) {
    tensor.age += 1;
    Now now{tensor.age, v.lr_factor * scheduled_lr(o, group, m), {0, 0}, slack};
    if constexpr (has::beta1<Rule>) {
      now.blend = Momentum::blend(o.momentum, m.momentum, Rule::beta1(group.rule));
    }
    double decay = 1;
    if constexpr (has::decay<Rule>) decay = Rule::decay(group.rule, now.lr);
    TensorVerdict tv;
    if constexpr (has::judge_tensor<Hindrance>) {
      tv = Hindrance::judge_tensor(o.hindrance, ts, v, m.hindrance, tensor.hindrance.memory);
      if ((tv.flags & Flag::explosion) != 0) tensor.hindrance.exploded += 1;
    }
    const auto gradient = gradient::link_at<R, Gradient>(o.gradient, s, v, ts, tv, tensor.gradient);
    return {Rule::template at<R>(group.rule, now, tensor.rule), gradient, R(now.lr), R(decay),
            Storage::key(o.storage, m.updates, index)};
  }

  /// The gradient as the reduce pass measures it: after the element links in front of the first
  /// other link.
  template <Lane T>
  AGMOHD_HD static T measured(const T& g, const Shared& o) {
    if constexpr (requires { Gradient::prefix(g, o.gradient); }) {
      return Gradient::prefix(g, o.gradient);
    } else if constexpr (Gradient::kind == LinkKind::element && Gradient::wants == kNothing) {
      return Gradient::apply(g, gradient::unmeasured_at<Real<T>, Gradient>(o.gradient));
    } else {
      return g;
    }
  }

  /// One element of the sweep: updates the slots and returns the new parameter.
  template <Lane T>
  AGMOHD_HD static T sweep(const T& p, const T& g, Slots<T>& s, const Coefficients<Real<T>>& k) {
    const T h = Gradient::apply(g, k.gradient);
    Rule::update(p, h, s, k.rule);
    const T u = Rule::direction(p, h, s, k.rule);
    return k.decay * p - k.lr * u;
  }

  /// What a watched sweep measures of one element; a lane sums squares of `step`, and the others.
  template <class T>
  struct Watched {
    T step;            ///< lr * u
    T along_previous;  ///< g * u_{t-1}, if sampled
    T along;           ///< g * u_t, if sampled
    T guarded;         ///< 1 if the rule's guard changed the slots, else 0
  };

  /// The same sweep, where the hindrance policy wants something of it. What nobody wants is 0.
  /// `sampled`: the element is of a page in which gradients are measured against updates, see
  /// reduction::sampled(). u_{t-1} is the direction from the slots as the last step left them, with
  /// a gradient of zero and this step's corrections: nothing is stored for it.
  template <Lane T>
  AGMOHD_HD static T sweep(const T& p, const T& g, Slots<T>& s, const Coefficients<Real<T>>& k,
                           Watched<T>& w, bool sampled) {
    const T zero = math::like(p, Real<T>(0));
    w = {zero, zero, zero, zero};
    const T h = Gradient::apply(g, k.gradient);
    if constexpr ((wants & kAlignment) != 0) {
      if (sampled) w.along_previous = h * Rule::direction(p, zero, s, k.rule);
    }
    Rule::update(p, h, s, k.rule);
    if constexpr ((wants & kGuard) != 0 && has::guard<Rule>) w.guarded = Rule::guard(s, k.rule);
    const T u = Rule::direction(p, h, s, k.rule);
    if constexpr ((wants & kAlignment) != 0) {
      if (sampled) w.along = h * u;
    }
    w.step = k.lr * u;
    return k.decay * p - w.step;
  }

 private:
  AGMOHD_HD static Record note(const Shared& o, const Group& first, Signals s, const Verdict& v,
                               Memory& m) {
    Record r;
    m.tally.steps += 1;
    r.step = m.tally.steps;
    r.updates = m.updates;
    if (s.has_loss) r.loss = s.loss;
    r.lr = s.lr * v.lr_factor;
    r.norm = std::sqrt(s.norm2);
    if (s.updated > 0) r.update_rms = std::sqrt(s.update2 / s.updated);
    r.level = v.level;
    TensorSignals ts;
    Signals unbounded = s;
    (void)gradient::link_at<double, Gradient>(o.gradient, s, v, ts, TensorVerdict{});
    if (r.norm > 0 && r.norm - r.norm == 0) r.clip_factor = std::sqrt(s.norm2) / r.norm;
    double beta1 = 0;
    if constexpr (has::beta1<Rule>) {
      beta1 = Rule::beta1(first.rule);
      r.momentum = Momentum::blend(o.momentum, m.momentum, beta1).beta1;
    }
    r.lr_factor = v.lr_factor;
    r.flags = v.flags;
    r.skipped = v.skip ? 1 : 0;
    r.rolled_back = v.rollback ? 1 : 0;
    r.hindered = v.hindered ? 1 : 0;
    for (int kind = 0; kind < Tally::skip; ++kind) {
      if ((v.flags >> unsigned(kind) & 1U) != 0) m.tally.add(kind);
    }
    if (v.skip) m.tally.add(Tally::skip);
    if (v.rollback) m.tally.add(Tally::rollback);
    if (v.skip) return r;
    if (r.clip_factor < 1) m.tally.add(Tally::clip);
    if (v.norm_bound < Verdict{}.norm_bound) {  // whether the clip alone would have done less
      Verdict open = v;
      open.norm_bound = Verdict{}.norm_bound;
      (void)gradient::link_at<double, Gradient>(o.gradient, unbounded, open, ts, TensorVerdict{});
      if (s.norm2 < unbounded.norm2) m.tally.add(Tally::bound);
    }
    if (v.lr_factor < 1) m.tally.add(Tally::throttle);
    if (r.momentum < beta1) m.tally.add(Tally::momentum);
    return r;
  }

  static constexpr double slack = (wants & kGuard) == 0                           ? 0
                                  : std::is_same_v<typename Storage::Float, Bf16> ? 1.1
                                                                                  : kSlack;
};

}  // namespace agmohd
