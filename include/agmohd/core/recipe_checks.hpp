// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "concepts.hpp"

// What Recipe demands of its arguments, a sentence for each member, so that the first error of a
// compiler names the one that is missing.
namespace agmohd::detail {

template <class RulePolicy>
struct CheckRule {
  static_assert(has::Options<RulePolicy>, "agmohd: the rule has no member type Options");
  static_assert(has::fields<RulePolicy>, "agmohd: the rule has no static member fields");
  static_assert(has::name<RulePolicy>, "agmohd: the rule has no static function name()");
  static_assert(
      has::Memory<RulePolicy>,
      "agmohd: the rule has no member type Memory, trivially copyable and of whole doubles");
  static_assert(has::Slots<RulePolicy>, "agmohd: the rule has no member template Slots<T>");
  static_assert(has::slot_names<RulePolicy>, "agmohd: the rule has no static member slot_names");
  static_assert(has::slots<RulePolicy>, "agmohd: the rule has no static function slots(options)");
  static_assert(has::restore<RulePolicy>,
                "agmohd: the rule has no static function restore(options, age)");
  static_assert(has::rule_at<RulePolicy>,
                "agmohd: the rule has no static function at<R>(options, now, memory)");
  static_assert(has::update<RulePolicy>,
                "agmohd: the rule has no static function update(p, g, slots, coefficients)");
  static_assert(has::direction<RulePolicy>,
                "agmohd: the rule has no static function direction(p, g, slots, coefficients)");
  static_assert(
      has::summed<RulePolicy> || !requires { &RulePolicy::template summed<float>; },
      "agmohd: the rule has summed(g, slots, coefficients), but no member template "
      "Summing<R>, or no static function summing<R>(options, memory)");
  static_assert(!has::Guard<RulePolicy> || has::guard_memory<RulePolicy>,
                "agmohd: the rule's Guard has no member type Memory, trivially copyable and of "
                "whole doubles");
  static_assert(!has::Guard<RulePolicy> || has::guard_restore<RulePolicy>,
                "agmohd: the rule's Guard has no static function restore(options, age)");
  static_assert(!has::Guard<RulePolicy> || has::guard_at<RulePolicy>,
                "agmohd: the rule's Guard has no static function at<R>(options, now, slack, rule's "
                "memory, memory)");
  static_assert(!has::Guard<RulePolicy> || has::guard_apply<RulePolicy>,
                "agmohd: the rule's Guard has no static functions sure(slots, coefficients) and "
                "apply(slots, rule's coefficients, coefficients)");
  static_assert(agmohd::Rule<RulePolicy>,
                "agmohd: an argument of Recipe is not a rule; see core/concepts.hpp");
  static constexpr bool passed = true;
};

template <class HindrancePolicy>
struct CheckHindrance {
  static_assert(has::Options<HindrancePolicy>,
                "agmohd: the hindrance policy has no member type Options");
  static_assert(has::fields<HindrancePolicy>,
                "agmohd: the hindrance policy has no static member fields");
  static_assert(has::name<HindrancePolicy>,
                "agmohd: the hindrance policy has no static function name()");
  static_assert(has::Memory<HindrancePolicy>,
                "agmohd: the hindrance policy has no member type Memory, trivially copyable and of "
                "whole doubles");
  static_assert(has::wants<HindrancePolicy>,
                "agmohd: the hindrance policy has no static member wants");
  static_assert(
      has::judge<HindrancePolicy>,
      "agmohd: the hindrance policy has no static function judge(options, signals, memory)");
  static_assert(agmohd::Hindrance<HindrancePolicy>,
                "agmohd: an argument of Recipe is not a hindrance policy; see core/concepts.hpp");
  static constexpr bool passed = true;
};

template <class MomentumPolicy>
struct CheckMomentum {
  static_assert(has::Options<MomentumPolicy>,
                "agmohd: the momentum policy has no member type Options");
  static_assert(has::fields<MomentumPolicy>,
                "agmohd: the momentum policy has no static member fields");
  static_assert(has::name<MomentumPolicy>,
                "agmohd: the momentum policy has no static function name()");
  static_assert(has::Memory<MomentumPolicy>,
                "agmohd: the momentum policy has no member type Memory, trivially copyable and of "
                "whole doubles");
  static_assert(has::needs_first_moment<MomentumPolicy>,
                "agmohd: the momentum policy has no static member needs_first_moment");
  static_assert(
      has::advance<MomentumPolicy>,
      "agmohd: the momentum policy has no static function advance(options, verdict, memory)");
  static_assert(has::blend<MomentumPolicy>,
                "agmohd: the momentum policy has no static function blend(options, memory, beta1)");
  static_assert(agmohd::Momentum<MomentumPolicy>,
                "agmohd: an argument of Recipe is not a momentum policy; see core/concepts.hpp");
  static constexpr bool passed = true;
};

template <class GradientPolicy>
struct CheckGradient {
  static_assert(has::Options<GradientPolicy>,
                "agmohd: the gradient policy has no member type Options");
  static_assert(has::fields<GradientPolicy>,
                "agmohd: the gradient policy has no static member fields");
  static_assert(has::name<GradientPolicy>,
                "agmohd: the gradient policy has no static function name()");
  static_assert(has::kind<GradientPolicy>, "agmohd: the gradient policy has no static member kind");
  static_assert(has::wants<GradientPolicy>,
                "agmohd: the gradient policy has no static member wants");
  static_assert(
      has::link_at<GradientPolicy> || has::link_at_tensor<GradientPolicy> ||
          has::link_remembers<GradientPolicy>,
      "agmohd: the gradient policy has no static function at<R>(options, signals, verdict)");
  static_assert(has::apply<GradientPolicy>,
                "agmohd: the gradient policy has no static function apply(g, coefficients)");
  static_assert(agmohd::Link<GradientPolicy>,
                "agmohd: an argument of Recipe is not a gradient policy; see core/concepts.hpp");
  static constexpr bool passed = true;
};

template <class SchedulePolicy>
struct CheckSchedule {
  static_assert(has::Options<SchedulePolicy>, "agmohd: the schedule has no member type Options");
  static_assert(has::fields<SchedulePolicy>, "agmohd: the schedule has no static member fields");
  static_assert(has::name<SchedulePolicy>, "agmohd: the schedule has no static function name()");
  static_assert(has::factor<SchedulePolicy>,
                "agmohd: the schedule has no static function factor(options, t)");
  static_assert(agmohd::Schedule<SchedulePolicy>,
                "agmohd: an argument of Recipe is not a schedule; see core/concepts.hpp");
  static constexpr bool passed = true;
};

template <class StoragePolicy>
struct CheckStorage {
  static_assert(has::Options<StoragePolicy>, "agmohd: the storage has no member type Options");
  static_assert(has::fields<StoragePolicy>, "agmohd: the storage has no static member fields");
  static_assert(has::name<StoragePolicy>, "agmohd: the storage has no static function name()");
  static_assert(has::Float<StoragePolicy>, "agmohd: the storage has no member type Float");
  static_assert(has::Key<StoragePolicy>,
                "agmohd: the storage has no member type Key, trivially copyable");
  static_assert(has::key<StoragePolicy>,
                "agmohd: the storage has no static function key(options, updates, index)");
  static_assert(
      has::rounded<StoragePolicy>,
      "agmohd: the storage has no static functions rounds(key) and rounded(x, key, element, slot)");
  static_assert(agmohd::Storage<StoragePolicy>,
                "agmohd: an argument of Recipe is not a storage; see core/concepts.hpp");
  static constexpr bool passed = true;
};

template <class HealingPolicy>
struct CheckHealing {
  static_assert(has::Options<HealingPolicy>,
                "agmohd: the healing policy has no member type Options");
  static_assert(has::fields<HealingPolicy>,
                "agmohd: the healing policy has no static member fields");
  static_assert(has::name<HealingPolicy>,
                "agmohd: the healing policy has no static function name()");
  static_assert(has::Memory<HealingPolicy>,
                "agmohd: the healing policy has no member type Memory, trivially copyable and of "
                "whole doubles");
  static_assert(has::keeps<HealingPolicy>, "agmohd: the healing policy has no static member keeps");
  static_assert(
      has::plan<HealingPolicy>,
      "agmohd: the healing policy has no static functions can_roll_back(options, memory), "
      "can_try_other(options, memory), plan(options, memory, verdict) and advance(options, "
      "signals, verdict, memory)");
  static_assert(agmohd::Healing<HealingPolicy>,
                "agmohd: an argument of Recipe is not a healing policy; see core/concepts.hpp");
  static constexpr bool passed = true;
};

/// A bound of the norm that nobody applies.
template <class HindrancePolicy, class GradientPolicy>
struct CheckBounds {
  static_assert(!bounds_norm<HindrancePolicy>() || applies_norm_bound<GradientPolicy>(),
                "agmohd: the hindrance policy bounds the gradient norm, but no gradient policy of "
                "the recipe applies the bound; add gradient::ClipByNorm, AdaptiveClip or Selected");
  static_assert(!bounds_tensors<HindrancePolicy>() || applies_tensor_bounds<GradientPolicy>(),
                "agmohd: the hindrance policy bounds each tensor's gradient norm, but no gradient "
                "policy of the recipe applies the bounds; add gradient::AdaptiveClip or Selected");
  static constexpr bool passed = true;
};

}  // namespace agmohd::detail
