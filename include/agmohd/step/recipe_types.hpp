// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <type_traits>

#include "../gradient/chain.hpp"
#include "../policy/name.hpp"
#include "../storage/native.hpp"
#include "families.hpp"
#include "guard.hpp"
#include "recipe_checks.hpp"
#include "record.hpp"

namespace agmohd::detail {

/// What a recipe of these policies is made of: which passes its steps need, and what options,
/// memories and coefficients they have.
template <class RulePolicy, class HindrancePolicy, class MomentumPolicy, class GradientPolicy,
          class SchedulePolicy, class StoragePolicy, class RecoveryPolicy>
struct RecipeTypes {
  using Rule = RulePolicy;
  using Hindrance = HindrancePolicy;
  using Momentum = MomentumPolicy;
  using Gradient = GradientPolicy;
  using Schedule = SchedulePolicy;
  using Storage = StoragePolicy;
  using Recovery = RecoveryPolicy;

  static_assert(CheckRule<Rule>::passed && CheckHindrance<Hindrance>::passed &&
                CheckMomentum<Momentum>::passed && CheckGradient<Gradient>::passed &&
                CheckSchedule<Schedule>::passed && CheckStorage<Storage>::passed &&
                CheckRecovery<Recovery>::passed && CheckBounds<Hindrance, Gradient>::passed);
  static_assert(!Momentum::needs_first_moment || has::beta1<Rule>,
                "agmohd: this momentum policy needs a rule with a first moment (a static function "
                "beta1(options))");

  static_assert(!has::cycled_blend<Momentum> || has::cycle<Schedule>,
                "agmohd: momentum::Cycle needs a schedule with a cycle: schedule::OneCycle or "
                "schedule::Cyclical, around which no other stands");

  /// 0: the step has no reduce pass, and its sweep measures nothing.
  static constexpr unsigned wants =
      Hindrance::wants | Gradient::wants | schedule_wants<Schedule>() | rule_wants<Rule>();
  static constexpr int slot_count = int(Rule::slot_names.size());
  /// Whether sweeps measure, which also tells of spoiled snapshots.
  static constexpr bool measures_sweep =
      (wants & kSweepWants) != 0 || (Hindrance::wants != 0 && Recovery::keeps);
  /// Whether the sweep guards the rule's slots.
  static constexpr bool guards = (wants & kGuard) != 0 && has::guard<Rule>;
  /// Whether steps are recorded.
  static constexpr bool recorded = Hindrance::wants != 0;
  static_assert(recorded || !measures_sweep,
                "agmohd: only a hindrance policy may want sweeps that measure");
  /// Whether there may be snapshots to go back to.
  static constexpr bool keeps_snapshots = recorded && Recovery::keeps;
  /// Whether there is a second sweep, which writes what the first one has found the size of.
  static constexpr bool two_sweeps = has::second<Rule>;
  /// Whether tensors of two or more dimensions have factors in the place of a slot.
  static constexpr bool factored = has::factored<Rule>;
  static_assert(!factored || !keeps_snapshots,
                "agmohd: snapshots do not hold the factors of a rule's slot yet; leave "
                "recovery::Snapshots out of a recipe with this rule");
  /// Whether the reduce pass reads state too, for the rule's sums.
  static constexpr bool sums = has::summed<Rule>;
  /// Whether those are of the parameter, too.
  static constexpr bool sums_parameter = has::sums_parameter<Rule>;

  /// Whether element transforms stand in front: the reduce pass measures what they make.
  static constexpr bool prefixed = gradient::prefixed<Gradient>();
  /// Their coefficients.
  template <class R>
  using Prefix =
      std::conditional_t<prefixed, typename Gradient::template Coefficients<R>, NoMemory>;
  /// Whether several calls of step() make one update.
  static constexpr bool accumulates = detail::accumulates<Gradient>();
  /// Whether the reduce pass sums powers in the place of squares.
  static constexpr bool powers = has::power<Gradient>;
  static_assert(!powers || (Hindrance::wants == 0 &&
                            !wants_norms(schedule_wants<Schedule>() | rule_wants<Rule>())),
                "agmohd: gradient::ClipByPNorm has powers of gradients summed in the place of "
                "squares: its recipe can have no hindrance policy that looks at gradients, and no "
                "rule or schedule that wants norms; clip by gradient::ClipByNorm there");
  /// Whether gradients are shifted by values of their rows as they are read.
  static constexpr bool shifts_rows = has::row_shift<Gradient>;
  /// Whether they are projected: all of a tensor is one row then.
  static constexpr bool projects = has::projection<Gradient>;
  /// Whether they are shifted or projected, or multiplied with factors of their rows.
  static constexpr bool rows = has::rows<Gradient>;

  template <class T>
  using Slots = typename Rule::template Slots<T>;
  using Guard = RuleGuard<Rule, Storage, guards>;

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
  AGMOHD_HD static double row_factor(const Shared& o, double p2,
                                     double g2) requires(has::row_factor<Gradient>) {
    return Gradient::row_factor(o.gradient, p2, g2);
  }
  AGMOHD_HD static double row_shift(const Shared& o, double sum, std::int64_t length,
                                    std::int64_t dims) requires(shifts_rows) {
    return Gradient::row_shift(o.gradient, sum, length, dims);
  }
  AGMOHD_HD static std::int64_t power(const Shared& o) requires(powers) {
    return Gradient::power(o.gradient);
  }
  AGMOHD_HD static gradient::Projection projection(const Shared& o, double p2, double pg,
                                                   double g2) requires(projects) {
    return Gradient::projection(o.gradient, p2, pg, g2);
  }
  /// Whether a policy looks at the number of a tensor's parameter group.
  static constexpr bool by_group = has::group_factor<Schedule> || detail::by_group<Gradient>();
  /// Options of one parameter group.
  struct AnyGroup {
    double lr = 0;
    typename Rule::Options rule{};
  };
  struct NumberedGroup {
    double lr = 0;
    typename Rule::Options rule{};
    std::int64_t number = 0;
  };
  using Group = std::conditional_t<by_group, NumberedGroup, AnyGroup>;
  /// What transforms are told of a tensor. `index`: the parameter's number over all groups.
  AGMOHD_HD static Draw draw(std::int64_t updates, std::int32_t index, const Group& group) {
    if constexpr (by_group) return {updates, group.number << 32 | index};
    return {updates, index};
  }

  /// Memory of the optimizer (no [[no_unique_address]]: nvcc lays it out differently for host and
  /// device). `updates` counts applied steps and drives the schedule.
  struct Memory {
    std::int64_t updates = 0;
    typename Hindrance::Memory hindrance{};
    typename Momentum::Memory momentum{};
    typename ScheduleMemory<Schedule>::type schedule{};
    typename Recovery::Memory recovery{};
    std::conditional_t<measures_sweep, Swept, NoMemory> swept{};  ///< by the last applied step
    std::conditional_t<recorded, Tally, NoMemory> tally{};
  };
  /// Of a new phase of training: what policies learnt is forgotten; updates and the schedule stay.
  static Memory anew(const Memory& before) {
    Memory memory{};
    memory.updates = before.updates;
    memory.schedule = before.schedule;
    if constexpr (requires { Schedule::begin_anew(memory.schedule); }) {
      Schedule::begin_anew(memory.schedule);
    }
    return memory;
  }
  /// What one executor judged, for those of the other devices.
  struct Judgement {
    Signals signals{};
    Verdict verdict{};
    Memory memory{};  ///< after judge()
  };
  /// What the hindrance policy knows of one tensor.
  struct TensorHindrance {
    typename TensorMemory<Hindrance>::type memory{};
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
    typename TensorMemory<Gradient>::type gradient{};
  };
  struct Snapshots {
    Kept kept[2];
  };
  /// Memory of one tensor. `step` counts its applied updates.
  struct PerTensor {
    std::int64_t step = 0;
    typename Rule::Memory rule{};
    typename Guard::Memory guard{};
    std::conditional_t<has::judge_tensor<Hindrance>, TensorHindrance, NoMemory> hindrance{};
    typename TensorMemory<Gradient>::type gradient{};
    std::conditional_t<keeps_snapshots, Snapshots, NoMemory> snapshots{};
  };

  template <class R>
  struct Coefficients : Guard::template Coefficients<R> {
    typename Rule::template Coefficients<R> rule;
    typename Gradient::template Coefficients<R> gradient;
    R lr, decay;
    typename Storage::Key storage;
  };

  /// The gradient that the rule gets.
  template <Number T>
  AGMOHD_HD static T seen(const T& g, const Coefficients<Real<T>>& k, const Position& at) {
    T h = gradient::transformed<Gradient>(g, k.gradient, at);
    if constexpr (has::squares<Rule>) {
      return math::squarable(h);
    } else {
      return h;
    }
  }

  /// What a sweep that measures makes of one element, beside the new parameter.
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
};

}  // namespace agmohd::detail
