// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <type_traits>

#include "../gradient/chain.hpp"
#include "../storage/native.hpp"
#include "families.hpp"
#include "recipe_checks.hpp"

namespace agmohd::detail {

/// Which passes the steps of a recipe of these policies need, and which policies go together.
template <class RulePolicy, class HindrancePolicy, class MomentumPolicy, class GradientPolicy,
          class SchedulePolicy, class StoragePolicy, class RecoveryPolicy>
struct RecipeTraits {
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
  /// Whether averages stand in the place of a slot: with `by_rows` one over each row, else two
  /// factors, of tensors of two or more dimensions.
  static constexpr bool factored = has::factored<Rule>;
  static constexpr std::size_t factor_count = detail::factor_count<Rule>();
  static constexpr bool by_rows = factor_count == 1;
  /// Whether the value of a slot that is a product of factors is its inverse root.
  static constexpr bool inverse_roots = has::inverse_roots<Rule>;
  /// Whether a second pair of factors is made of what the rule calls residual.
  static constexpr bool residual = has::residual<Rule>;
  /// Whether sums over a tensor adapt its coefficients, once the averages of a residual's recipe or
  /// the first of two sweeps are there.
  static constexpr bool scales = has::second<Rule> || residual;
  /// Whether products of p and u are among those sums, and how many kinds of sums there are.
  static constexpr bool products = has::project<Rule>;
  static constexpr int norm_sums = products ? 3 : 2;
  /// Whether snapshots hold averages, in the place of slots.
  static constexpr bool keeps_averages = factored && keeps_snapshots;
  /// Whether the sweep adds up values of all elements, for the rule's memory of the optimizer.
  static constexpr bool totals = has::totals<Rule>;
  static constexpr int total_count = agmohd::detail::total_count<Rule>();
  /// Whether snapshots hold what comes of them.
  static constexpr bool keeps_totals = totals && keeps_snapshots;
  static_assert(
      !totals || std::is_same_v<Storage, storage::Native>,
      "agmohd: this rule compares parameters with its state, which storage::BFloat16 would "
      "round; leave it out of a recipe with this rule");
  static_assert(!totals || slot_count > 0, "agmohd: a rule with totals has slots");
  /// Whether a sweep leaves sums that the next step's beginning adds up.
  static constexpr bool settles = measures_sweep || totals;
  /// Whether the reduce pass reads gradients.
  static constexpr bool measures_gradients = (wants & ~unsigned{kTotals}) != 0;
  /// Whether it measures a norm of all of them, 2-norm or another.
  static constexpr bool measures_norm = (wants & (kNorm | kTensors | kMaxAbs)) != 0;
  /// Whether the median of the tensors' norms is made of what it measures.
  static constexpr bool median_norm = (wants & kMedian) != 0;
  static_assert(!median_norm || (wants & (kNorm | kTensors)) == (kNorm | kTensors),
                "agmohd: a policy that wants kMedian wants kNorm and kTensors, too");
  /// Whether the reduce pass reads state too, for the rule's sums.
  static constexpr bool sums = has::summed<Rule>;
  /// Whether those are of the parameter, too.
  static constexpr bool sums_parameter = has::sums_parameter<Rule>;

  /// Whether element transforms stand in front: the reduce pass measures what they make.
  static constexpr bool prefixed = gradient::prefixed<Gradient>();
  /// Whether several calls of step() make one update.
  static constexpr bool accumulates = detail::accumulates<Gradient>();
  /// Whether the pass that writes parameters counts gradients that are not finite.
  static constexpr bool counts_zeroed = detail::counts_zeroed<Gradient>();
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
  /// Whether outliers are replaced, by medians over a tensor: that is one row, too.
  static constexpr bool filters = has::outliers<Gradient>;
  static constexpr bool whole_tensors = projects || filters;
  /// Whether they are any of this, or multiplied with factors of their rows.
  static constexpr bool rows = has::rows<Gradient>;
};

}  // namespace agmohd::detail
