// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "make_record.hpp"
#include "recipe_types.hpp"
#include "second_sweep.hpp"

namespace agmohd {

/// One policy of each family, in the order of its arguments: the type that Recipe makes of its own,
/// which may stand in any. It has the phases of a step.
template <class RulePolicy, class HindrancePolicy, class MomentumPolicy, class GradientPolicy,
          class SchedulePolicy, class StoragePolicy, class RecoveryPolicy>
struct Composition
    : detail::SecondSweep<
          detail::RecipeTypes<RulePolicy, HindrancePolicy, MomentumPolicy, GradientPolicy,
                              SchedulePolicy, StoragePolicy, RecoveryPolicy>> {
  using Types = detail::RecipeTypes<RulePolicy, HindrancePolicy, MomentumPolicy, GradientPolicy,
                                    SchedulePolicy, StoragePolicy, RecoveryPolicy>;
  using typename Types::Rule, typename Types::Hindrance, typename Types::Momentum,
      typename Types::Gradient, typename Types::Schedule, typename Types::Storage,
      typename Types::Recovery;
  using typename Types::Shared, typename Types::Group, typename Types::Memory,
      typename Types::PerTensor, typename Types::Kept, typename Types::Guard,
      typename Types::AllSignals;
  using Types::prefixed, Types::wants, Types::measures_sweep, Types::guards, Types::recorded,
      Types::keeps_snapshots;
  template <class T>
  using Slots = typename Types::template Slots<T>;
  template <class R>
  using Coefficients = typename Types::template Coefficients<R>;
  template <class R>
  using Prefix = typename Types::template Prefix<R>;

  Composition() = default;
  template <class Given, class... More>
  explicit Composition(const Given&, const More&...) {
    static_assert(detail::never<Given>,
                  "agmohd: a recipe is a type that says what a step does; what holds parameters is "
                  "an agmohd::Optimizer<recipe>, such as agmohd::AGMOHD for recipe::AGMOHD");
  }

  /// What becomes of the rule's momentum in the step after `updates` applied ones.
  AGMOHD_HD static Blend blend(const Shared& o, const Group& group, const Memory& m,
                               std::int64_t updates) {
    if constexpr (has::cycled_blend<Momentum>) {
      return Momentum::blend(o.momentum, m.momentum, Rule::beta1(group.rule),
                             Schedule::cycle(o.schedule, updates));
    } else if constexpr (has::beta1<Rule>) {
      const double beta1 = Rule::beta1(group.rule);
      Blend blend = Momentum::blend(o.momentum, m.momentum, beta1);
      if (!has::stable_step<Rule> && blend.beta1 < beta1) blend.beta1 = beta1;
      return blend;
    } else {
      return {0, 0};
    }
  }
  /// What the learning rate is multiplied with where momentum is lowered, so that the step is as
  /// far from the edge of stability as before: else less momentum would feed an oscillation.
  AGMOHD_HD static double brake(const Group& group, const Blend& blend) {
    if constexpr (has::beta1<Rule> && has::stable_step<Rule> && !has::cycled_blend<Momentum>) {
      const double beta1 = Rule::beta1(group.rule);
      if (blend.beta1 < beta1) {
        const double factor =
            Rule::stable_step(group.rule, blend.beta1) / Rule::stable_step(group.rule, beta1);
        return factor < 1 ? factor : 1;
      }
    }
    return 1;
  }

  /// What the schedule multiplies the learning rate of the coming step with, in a group.
  AGMOHD_HD static double schedule_factor(const Shared& o, const Memory& m,
                                          std::int64_t group = 0) {
    if constexpr (has::schedule_memory<Schedule>) {
      return Schedule::factor(o.schedule, m.updates, m.schedule);
    } else {
      return detail::factor_of_group<Schedule>(o.schedule, m.updates, group);
    }
  }

  /// Phase 2 for the optimizer as a whole. `first`: the first parameter group. A skipped step
  /// leaves the optimizer's memory as it is, but for what the hindrance and recovery policies
  /// count.
  AGMOHD_HD static Verdict judge(const Shared& o, const Group& first, AllSignals& s, Memory& m) {
    const double schedule = schedule_factor(o, m);
    if constexpr (recorded) {
      s.lr = first.lr * schedule;
      s.can_roll_back = Recovery::can_roll_back(o.recovery, m.recovery);
      s.can_try_other = Recovery::can_try_other(o.recovery, m.recovery);
    }
    Verdict v;
    if constexpr (has::inspect<Hindrance>) {
      v = Hindrance::inspect(o.hindrance, s, m.hindrance);
    } else {
      v = Hindrance::judge(o.hindrance, s, m.hindrance);
    }
    v.schedule = schedule;
    Recovery::plan(o.recovery, m.recovery, v);
    if (v.rollback && v.swap < 0) {  // there is nothing to go back to
      v.rollback = false;
      v.flags |= Flag::give_up;
    }
    if constexpr (Types::keeps_totals) Types::swap_totals(s, v, m);
    if (v.skip) return v;
    Momentum::advance(o.momentum, v, m.momentum);
    if constexpr (has::schedule_memory<Schedule>) Schedule::advance(o.schedule, s, v, m.schedule);
    if constexpr (Types::totals) advance_rule(o, first, s.totals, v, m, m.rule);
    if constexpr (Types::keeps_totals) Types::keep_totals(v, m);
    return v;
  }
  /// What the rule remembers of the optimizer, `rule`, moves on to the coming step.
  template <class Sums, class Rules>
  AGMOHD_HD static void advance_rule(const Shared& o, const Group& first, const Sums& sums,
                                     const Verdict& v, const Memory& m, Rules& rule) {
    const Now now{m.updates + 1, v.lr_factor * first.lr * v.schedule,
                  blend(o, first, m, m.updates)};
    Rule::advance(first.rule, now, sums, rule);
  }
  /// That of the step that comes, unless it is skipped.
  AGMOHD_HD static auto next_rule_memory(const Shared& o, const Group& first, const Memory& m,
                                         const Verdict& v = {}) {
    auto rule = m.rule;
    advance_rule(o, first, m.totals, v, m, rule);
    return rule;
  }

  /// What the policies remember of a step, and its record; after judge(), all tensors, and the
  /// count of updates. Nothing of the same step waits for it.
  AGMOHD_HD static Record remember(const Shared& o, const Group& first, const Signals& s,
                                   const Verdict& v, Memory& m) {
    Record record;
    for (int part = 0; part < remember_parts; ++part) {
      remember_part(part, o, first, s, v, m, record);
    }
    return record;
  }
  /// The same in parts that do not depend on each other and may run at the same time. The last one
  /// makes the record.
  static constexpr int remember_parts = detail::learn_parts<Hindrance> + 1;
  AGMOHD_HD static void remember_part(int part, const Shared& o, const Group& first,
                                      const Signals& s, const Verdict& v, Memory& m,
                                      Record& record) {
    if (part == remember_parts - 1) {
      Recovery::advance(o.recovery, s, v, m.recovery);
      record = detail::make_record<Composition>(o, first, s, v, m);
    } else if constexpr (has::learn_parts<Hindrance>) {
      Hindrance::learn_part(part, o.hindrance, s, v, m.hindrance);
    } else if constexpr (has::inspect<Hindrance>) {
      Hindrance::learn(o.hindrance, s, v, m.hindrance);
    }
  }

  /// Once a step and tensor, not called in a skipped step. The caller then adds 1 to `m.updates`.
  /// `index`: the parameter's number over all groups. `ts`: needed with kTensors alone. `room`:
  /// whether the tensor has snapshots. `throttled` counts it where its learning rate is lowered
  /// more than the first group's.
  template <class R>
  AGMOHD_HD static Coefficients<R> decide(const Shared& o, const Group& group, Signals s,
                                          const Verdict& v, const Memory& m, PerTensor& tensor,
                                          std::int32_t index = 0, TensorSignals ts = {},
                                          bool room = false, std::int64_t* throttled = nullptr) {
    tensor.step += 1;
    ts.draw = Types::draw(m.updates, index, group);
    double lr = group.lr * v.schedule;
    if constexpr (has::group_factor<Schedule>) lr = group.lr * schedule_factor(o, m, group.number);
    TensorVerdict tv;
    if constexpr (has::judge_tensor<Hindrance>) {
      ts.lr = lr;
      tv = Hindrance::judge_tensor(o.hindrance, ts, v, m.hindrance, tensor.hindrance.memory);
      if ((tv.flags & Flag::explosion) != 0) tensor.hindrance.exploded += 1;
      if ((tv.flags & Flag::vanishing) != 0) tensor.hindrance.vanished += 1;
      if (tv.lr_factor < 1) tensor.hindrance.throttled += 1;
      if (throttled != nullptr && tv.lr_factor < v.first_factor) *throttled += 1;
    }
    Now now{tensor.step, tv.lr_factor * v.lr_factor * lr, blend(o, group, m, m.updates)};
    now.lr *= brake(group, now.blend);
    if (ts.numel > 0) now.mean = ts.summed / double(ts.numel);
    const auto gradient =
        gradient::transform_at<R, Gradient>(o.gradient, s, v, ts, tv, tensor.gradient);
    now.norm2 = ts.norm2;  // after the transforms
    now.numel = ts.numel;
    if constexpr (has::lr<Rule>) now.lr = Rule::lr(group.rule, now);
    if constexpr (has::lr_with<Rule>) now.lr = Rule::lr(group.rule, now, m.rule);
    double decay = 1;
    if constexpr (has::decay<Rule>) decay = Rule::decay(group.rule, now.lr);
    const auto rule = detail::rule_at<R, Rule>(group.rule, now, tensor.rule, m);
    const auto guard = Guard::template at<R>(group.rule, now, tensor.rule, tensor.guard);
    if constexpr (keeps_snapshots) {
      if (v.save >= 0 && room) keep(m, tensor, v.save);
    }
    return {guard, rule, gradient, R(now.lr), R(decay), Storage::key(o.storage, m.updates, index)};
  }

  /// Notes what a snapshot that this step writes has of a tensor; decide() does it, but for tensors
  /// without a gradient.
  AGMOHD_HD static void keep(const Memory& m, PerTensor& tensor,
                             int snapshot) requires(keeps_snapshots) {
    tensor.snapshots.kept[snapshot] = {Recovery::next_stamp(m.recovery),
                                       0,
                                       tensor.step,
                                       tensor.rule,
                                       tensor.guard,
                                       tensor.gradient};
  }

  /// Once a tensor in a step that swaps with a snapshot, instead of decide(): whether the snapshot
  /// has the tensor, or swapped it out, so that the caller has to swap its elements.
  AGMOHD_HD static bool swap(const Memory& m, PerTensor& tensor,
                             int snapshot) requires(keeps_snapshots) {
    Kept& kept = tensor.snapshots.kept[snapshot];
    const std::int64_t stamp = Recovery::stamp(m.recovery, snapshot);
    kept.moved = stamp != 0 && kept.stamp == stamp ? 1 : 0;
    if (kept.moved == 0) return false;
    const Kept back = kept;
    kept = {-stamp, 1, tensor.step, tensor.rule, tensor.guard, tensor.gradient};
    tensor.step = back.step;
    tensor.rule = back.rule;
    tensor.guard = back.guard;
    tensor.gradient = back.gradient;
    return true;
  }

  /// The coefficients of measured(), once a step and tensor.
  template <class R>
  AGMOHD_HD static Prefix<R> prefix(const Shared& o, const Draw& draw) {
    if constexpr (prefixed) return gradient::prefix_at<R, Gradient>(o.gradient, draw);
    return {};
  }
  /// The gradient as the reduce pass measures it: after the element transforms in front.
  template <Number T>
  AGMOHD_HD static T measured(const T& g, const Prefix<Real<T>>& k, const Position& at) {
    if constexpr (prefixed) return gradient::prefix<Gradient>(g, k, at);
    return g;
  }

  /// One element of the sweep: updates the slots and returns the new parameter. `result`: nothing,
  /// or where something is wanted of sweeps, a Guarded, a SweepValues, a TotalValues.
  template <Number T, class... Result>
  AGMOHD_HD static T sweep(const T& p, const T& g, Slots<T>& s, const Coefficients<Real<T>>& k,
                           const Position& at, Result&... result) {
    const T h = Types::template seen<T>(g, k, at);
    [[maybe_unused]] const Slots<T> old = s;
    Rule::update(p, h, s, k.rule);
    if constexpr (guards) (guard<T>(s, k, result), ...);
    const T u = Rule::direction(p, h, s, k.rule);
    (measure<T>(p, h, u, old, s, k, result), ...);
    if constexpr (Types::totals) (total<T>(p, h, old, s, k, result), ...);
    if constexpr (has::second<Rule>) {
      return p;
    } else if constexpr (has::write<Rule>) {
      return Rule::write(p, h, u, s, k.rule, k.lr, k.decay);
    } else {
      return k.decay * p - k.lr * u;
    }
  }

 private:
  template <Number T, class Result>
  AGMOHD_HD static void guard(Slots<T>& s, const Coefficients<Real<T>>& k, Result& result) {
    result.doubted = !Rule::Guard::sure(s, k.guard);
    if (result.doubted) result.guarded = Rule::Guard::apply(s, k.rule, k.guard);
  }
  template <Number T, class Result>
  AGMOHD_HD static void total(const T& p, const T& h, const Slots<T>& old, const Slots<T>& s,
                              const Coefficients<Real<T>>& k, Result& result) {
    if constexpr (requires { result.totals; }) result.totals = Rule::totals(p, h, old, s, k.rule);
  }
  /// u_{t-1} is the direction from the slots as the last step left them, or the rule's `before`,
  /// with a gradient and a parameter of zero, so without its weight decay, and this step's
  /// corrections: nothing is stored for it.
  template <Number T, class Result>
  AGMOHD_HD static void measure(const T& p, const T& h, const T& u, const Slots<T>& old,
                                const Slots<T>& s, const Coefficients<Real<T>>& k, Result& result) {
    if constexpr (requires { result.update; }) {
      const T zero = math::like(p, Real<T>(0));
      result.update = u;
      result.along = result.along_previous = zero;
      if constexpr ((wants & kAlignment) != 0) {
        result.along = h * u;
        if constexpr (has::before<Rule>) {
          result.along_previous = h * Rule::direction(zero, zero, Rule::before(old, s), k.rule);
        } else {
          result.along_previous = h * Rule::direction(zero, zero, old, k.rule);
        }
      }
    }
  }
};

}  // namespace agmohd
