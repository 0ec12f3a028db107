// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "../gradient/chain.hpp"
#include "../gradient/gradient.hpp"
#include "../hindrance/hindrance.hpp"
#include "../hindrance/none.hpp"
#include "../momentum/fixed.hpp"
#include "../momentum/momentum.hpp"
#include "../policy/name.hpp"
#include "../recovery/none.hpp"
#include "../recovery/recovery.hpp"
#include "../rule/rule.hpp"
#include "../schedule/constant.hpp"
#include "../schedule/schedule.hpp"
#include "../storage/native.hpp"
#include "../storage/storage.hpp"
#include "families.hpp"
#include "guard.hpp"
#include "make_record.hpp"
#include "recipe_checks.hpp"
#include "record.hpp"

namespace agmohd {

/// One policy of each family, in the order of its arguments: the type that Recipe makes of its own,
/// which may stand in any.
template <class RulePolicy, class HindrancePolicy, class MomentumPolicy, class GradientPolicy,
          class SchedulePolicy, class StoragePolicy, class RecoveryPolicy>
struct Composition {
  using Rule = RulePolicy;
  using Hindrance = HindrancePolicy;
  using Momentum = MomentumPolicy;
  using Gradient = GradientPolicy;
  using Schedule = SchedulePolicy;
  using Storage = StoragePolicy;
  using Recovery = RecoveryPolicy;

  static_assert(detail::CheckRule<Rule>::passed && detail::CheckHindrance<Hindrance>::passed &&
                detail::CheckMomentum<Momentum>::passed &&
                detail::CheckGradient<Gradient>::passed &&
                detail::CheckSchedule<Schedule>::passed && detail::CheckStorage<Storage>::passed &&
                detail::CheckRecovery<Recovery>::passed &&
                detail::CheckBounds<Hindrance, Gradient>::passed);
  static_assert(!Momentum::needs_first_moment || has::beta1<Rule>,
                "agmohd: this momentum policy needs a rule with a first moment (a static function "
                "beta1(options))");

  Composition() = default;
  template <class Given, class... More>
  explicit Composition(const Given&, const More&...) {
    static_assert(detail::never<Given>,
                  "agmohd: a recipe is a type that says what a step does; what holds parameters is "
                  "an agmohd::Optimizer<recipe>, such as agmohd::AGMOHD for recipe::AGMOHD");
  }

  /// 0: the step has no reduce pass, and its sweep measures nothing.
  static constexpr unsigned wants =
      Hindrance::wants | Gradient::wants | (has::summed<Rule> ? kSums | kTensors : kNothing);
  static constexpr int slot_count = int(Rule::slot_names.size());
  /// Whether sweeps measure, which also tells of spoiled snapshots.
  static constexpr bool measures_sweep =
      (wants & kSweepWants) != 0 || (Hindrance::wants != 0 && Recovery::keeps);
  /// Whether the sweep guards the rule's slots.
  static constexpr bool guards = (wants & kGuard) != 0 && has::guard<Rule>;
  /// Whether steps are recorded.
  static constexpr bool recorded = Hindrance::wants != 0;
  static_assert(recorded || !measures_sweep,
                "agmohd: only a hindrance policy may want a measures_sweep sweep");
  /// Whether there may be snapshots to go back to.
  static constexpr bool keeps_snapshots = recorded && Recovery::keeps;
  /// Whether the reduce pass reads state too, for the rule's sums.
  static constexpr bool sums = has::summed<Rule>;

  template <class T>
  using Slots = typename Rule::template Slots<T>;
  using Guard = detail::RuleGuard<Rule, Storage, guards>;

  /// What a step computes, without how state is stored.
  template <class Text = std::string>
  static Text policies() {
    Text out = Rule::name();
    const auto add = [&out](const Text& name) { out += "/" + name; };
    add(Hindrance::name()), add(Momentum::name()), add(Gradient::name()), add(Schedule::name());
    if (keeps_snapshots) add(Recovery::name());
    return out;
  }
  template <class Text = std::string>
  static Text name() {
    return std::is_same_v<Storage, storage::Native> ? policies<Text>()
                                                    : policies<Text>() + "/" + Storage::name();
  }

  /// Options of the optimizer as a whole, as the device reads them.
  struct Shared {
    typename Hindrance::Options hindrance{};
    typename Momentum::Options momentum{};
    typename Gradient::Options gradient{};
    typename Schedule::Options schedule{};
    typename Storage::Options storage{};
    typename Recovery::Options recovery{};
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
    typename Recovery::Memory recovery{};
    std::conditional_t<measures_sweep, Swept, detail::NoMemory>
        swept{};  ///< by the last applied step
    std::conditional_t<recorded, Tally, detail::NoMemory> tally{};
  };
  /// What one executor judged, for those of the other devices.
  struct Judgement {
    Signals signals{};
    Verdict verdict{};
    Memory memory{};  ///< after judge()
  };
  /// What the hindrance policy knows of one tensor.
  struct TensorHindrance {
    typename detail::TensorMemory<Hindrance>::type memory{};
    std::int64_t exploded = 0;   ///< steps in which it was clipped by itself
    std::int64_t vanished = 0;   ///< steps in which its gradient had vanished
    std::int64_t throttled = 0;  ///< steps in which its learning rate was lowered
  };
  /// What a snapshot has of a tensor, beside its elements.
  struct Kept {
    std::int64_t stamp = 0;  ///< of the snapshot; 0: nothing; negative: swapped out
    std::int64_t moved = 0;  ///< 1: in the last step that swapped, elements are swapped too
    std::int64_t step = 0;
    typename Rule::Memory rule{};
    typename Guard::Memory guard{};
    typename detail::TensorMemory<Gradient>::type gradient{};
  };
  struct Snapshots {
    Kept kept[2];
  };
  /// Memory of one tensor. `step` counts its applied updates.
  struct PerTensor {
    std::int64_t step = 0;
    typename Rule::Memory rule{};
    typename Guard::Memory guard{};
    std::conditional_t<has::judge_tensor<Hindrance>, TensorHindrance, detail::NoMemory> hindrance{};
    typename detail::TensorMemory<Gradient>::type gradient{};
    std::conditional_t<keeps_snapshots, Snapshots, detail::NoMemory> snapshots{};
  };

  template <class R>
  struct Coefficients : Guard::template Coefficients<R> {
    typename Rule::template Coefficients<R> rule;
    typename Gradient::template Coefficients<R> gradient;
    R lr, decay;
    typename Storage::Key storage;
  };

  /// What the sweep before measured, as it stands in the memory, joins what the reduce pass did.
  AGMOHD_HD static void join(Signals& s, const Memory& m) {
    if constexpr (measures_sweep) {
      s.update2 = m.swept.update2;
      s.updated = m.swept.updated;
      s.along_previous = m.swept.along_previous;
      s.along = m.swept.along;
      s.guarded = m.swept.guarded;
      s.throttled = m.swept.throttled;
      s.spoiled = m.swept.spoiled;
    }
  }

  /// What becomes of the rule's momentum in this step.
  AGMOHD_HD static Blend blend(const Shared& o, const Group& group, const Memory& m) {
    if constexpr (has::beta1<Rule>) {
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
    if constexpr (has::beta1<Rule> && has::stable_step<Rule>) {
      const double beta1 = Rule::beta1(group.rule);
      if (blend.beta1 < beta1) {
        const double factor =
            Rule::stable_step(group.rule, blend.beta1) / Rule::stable_step(group.rule, beta1);
        return factor < 1 ? factor : 1;
      }
    }
    return 1;
  }

  /// Phase 2 for the optimizer as a whole. `first`: the first parameter group. A skipped step
  /// leaves the optimizer's memory as it is, but for what the hindrance and recovery policies
  /// count.
  AGMOHD_HD static Verdict judge(const Shared& o, const Group& first, Signals& s, Memory& m) {
    double schedule;
    if constexpr (has::schedule_memory<Schedule>) {
      schedule = Schedule::factor(o.schedule, m.updates, m.schedule);
    } else {
      schedule = Schedule::factor(o.schedule, m.updates);
    }
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
    if (v.skip) return v;
    Momentum::advance(o.momentum, v, m.momentum);
    if constexpr (has::schedule_memory<Schedule>) Schedule::advance(o.schedule, v, m.schedule);
    return v;
  }

  /// The judge's memory replaces that of another device, which keeps what its own sweep measured.
  AGMOHD_HD static void take(const Memory& judged, Memory& m) {
    const auto swept = m.swept;
    m = judged;
    m.swept = swept;
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
    const double lr = group.lr * v.schedule;
    TensorVerdict tv;
    if constexpr (has::judge_tensor<Hindrance>) {
      ts.lr = lr;
      tv = Hindrance::judge_tensor(o.hindrance, ts, v, m.hindrance, tensor.hindrance.memory);
      if ((tv.flags & Flag::explosion) != 0) tensor.hindrance.exploded += 1;
      if ((tv.flags & Flag::vanishing) != 0) tensor.hindrance.vanished += 1;
      if (tv.lr_factor < 1) tensor.hindrance.throttled += 1;
      if (throttled != nullptr && tv.lr_factor < v.first_factor) *throttled += 1;
    }
    Now now{tensor.step, tv.lr_factor * v.lr_factor * lr, blend(o, group, m)};
    now.lr *= brake(group, now.blend);
    if (ts.numel > 0) now.mean = ts.summed / double(ts.numel);
    if constexpr (has::lr<Rule>) now.lr = Rule::lr(group.rule, now);
    double decay = 1;
    if constexpr (has::decay<Rule>) decay = Rule::decay(group.rule, now.lr);
    const auto gradient =
        gradient::transform_at<R, Gradient>(o.gradient, s, v, ts, tv, tensor.gradient);
    const auto rule = Rule::template at<R>(group.rule, now, tensor.rule);
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

  /// The gradient as the reduce pass measures it: after the element transforms in front of the
  /// first other transform.
  template <Number T>
  AGMOHD_HD static T measured(const T& g, const Shared& o) {
    if constexpr (requires { Gradient::prefix(g, o.gradient); }) {
      return Gradient::prefix(g, o.gradient);
    } else if constexpr (Gradient::kind == TransformKind::element && Gradient::wants == kNothing) {
      return Gradient::apply(g, gradient::unmeasured_at<Real<T>, Gradient>(o.gradient));
    } else {
      return g;
    }
  }

  /// One element of the sweep: updates the slots and returns the new parameter.
  template <Number T>
  AGMOHD_HD static T sweep(const T& p, const T& g, Slots<T>& s, const Coefficients<Real<T>>& k) {
    const T h = Gradient::apply(g, k.gradient);
    Rule::update(p, h, s, k.rule);
    const T u = Rule::direction(p, h, s, k.rule);
    return k.decay * p - k.lr * u;
  }

  /// What a measures_sweep sweep makes of one element, beside the new parameter.
  template <class T>
  struct Guarded {
    bool doubted = false;  ///< whether the rule's guard had to look at the slots
    Mask<T> guarded;       ///< then, whether it changed them
  };
  /// The same in a sampled chunk, see reduction::sample_every(); the backend sums squares of
  /// `update`, and the others. What nobody wants is 0.
  template <class T>
  struct SweepValues {
    T update, along_previous, along;  ///< u_t, g * u_{t-1}, g * u_t
    bool doubted = false;
    Mask<T> guarded;
  };

  /// The same sweep, where the hindrance policy wants something of it. W: Guarded or SweepValues.
  /// u_{t-1} is the direction from the slots as the last step left them, or the rule's `before`,
  /// with a gradient of zero and this step's corrections: nothing is stored for it.
  template <Number T, class W>
  AGMOHD_HD static T sweep(const T& p, const T& g, Slots<T>& s, const Coefficients<Real<T>>& k,
                           W& w) {
    constexpr bool measures = requires { w.update; };
    const T h = Gradient::apply(g, k.gradient);
    const Slots<T> old = s;
    Rule::update(p, h, s, k.rule);
    if constexpr (guards) {
      w.doubted = !Rule::Guard::sure(s, k.guard);
      if (w.doubted) w.guarded = Rule::Guard::apply(s, k.rule, k.guard);
    }
    const T u = Rule::direction(p, h, s, k.rule);
    if constexpr (measures) {
      const T zero = math::like(p, Real<T>(0));
      w.update = u;
      w.along = w.along_previous = zero;
      if constexpr ((wants & kAlignment) != 0) {
        w.along = h * u;
        if constexpr (has::before<Rule>) {
          w.along_previous = h * Rule::direction(p, zero, Rule::before(old, s), k.rule);
        } else {
          w.along_previous = h * Rule::direction(p, zero, old, k.rule);
        }
      }
    }
    return k.decay * p - k.lr * u;
  }
};

namespace detail {

template <class... P>
struct Compose {
  static_assert((CheckFamily<P>::passed && ...));
  using Rule = policy_of<Family::rule, void, P...>;
  static_assert(!std::is_void_v<Rule>, "agmohd: a recipe needs a rule, such as rule::AdamW");
  using type = Composition<
      Rule, policy_of<Family::hindrance, hindrance::None, P...>,
      policy_of<Family::momentum, momentum::Fixed, P...>,
      gradient::chain_of<typename SelectFamily<Family::gradient, PolicyList<>, P...>::type>,
      policy_of<Family::schedule, schedule::Constant, P...>,
      policy_of<Family::storage, storage::Native, P...>,
      policy_of<Family::recovery, recovery::None, P...>>;
};

}  // namespace detail

/// What a step does, as a type; Optimizer<Recipe<...>> is what a program holds. The arguments are
/// policies in any order: a rule, gradient transforms, which are applied in written order, and at
/// most one each of the other families. Without one there is hindrance::None, momentum::Fixed, no
/// transform, schedule::Constant, storage::Native, recovery::None.
template <class... Policies>
using Recipe = typename detail::Compose<Policies...>::type;

}  // namespace agmohd
