// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string_view>
#include <type_traits>

#include "../policy/policy.hpp"
#include "members.hpp"

namespace agmohd {

/// An update rule. For every element of a step `update` moves the slots on, then `direction` gives
/// the update u and changes nothing; the parameter becomes decay p - lr u. `at` makes the constants
/// of both, the coefficients, from the options: once a step and tensor, in double.
/// A rule reads p, g and Now, changes its slots (`update`) and its memory (`at`), and sees nothing
/// else: no shape, no other tensor. Backends may call `at` on copies of the memory.
/// Required, beside a Policy's: Slots<T>, slot_names (five at most), slots(options), a bit for each
/// slot in use; Memory, of one tensor, and restore(options, step); Coefficients<R>, at<R>(options,
/// now, memory); update, direction. Optional members:
///   beta1(options)            the rule has a first moment, with this decay
///   stable_step(options, b1)  the largest learning rate at which the rule is stable with the decay
///                             b1, up to a factor; without it no policy lowers beta1
///   decay(options, lr)        the factor of p; else 1
///   lr(options, now)          the tensor's learning rate, from now.lr; `decay` gets it too
///   write(p, g, u, slots, k, lr, decay)
///                             the new parameter, where it is not decay p - lr u, or where slots
///                             change after u was taken
///   initial(options, slot)    the value that slot number `slot` begins with; else 0
///   wants                     kTensors: `at` finds the tensor's squared gradient norm in now.norm2
///   summing, summed           `summed` gives a value of each element, from the gradient and the
///                             slots before the step, with four arguments from the parameter, too,
///                             and constants by `summing`; `at` and `lr` find its mean over the
///                             tensor in now.mean
///   totals(p, g, old, new, k) the Addends of an element, total_count values, from parameter and
///                             slots before the step, the gradient and the new slots. They are
///                             summed over the elements of all tensors. With them come
///                             OptimizerMemory, what the rule remembers of the optimizer as a
///                             whole, and advance(options, now, sums, that), which moves it on at
///                             the beginning of each applied step, before tensors are decided, by
///                             the sums of the last one (zeros in the first), with the options,
///                             rate and momentum of the first group. `at` has it as fourth
///                             argument, and `lr` may have it as third
///   second(options, p2, u2)   makes the step two sweeps. The first changes slots only. Then, from
///                             the tensor's sums of squares of p and u, this gives a factor of its
///                             learning rate. The second sweep takes u anew from the stored slots,
///                             and writes p. Or second(options, k, p2, u2), with the coefficients
///   project(memory, matrix, p2, u2, pu, to)
///                             in the place of `second`: what the second sweep multiplies p and u
///                             with, from `to`, the sums of p^2, u^2 and p u, and whether the
///                             tensor has two or more dimensions. It may change the memory
///   squared(p, u)             the Squared values whose sums of squares `second` gets, where these
///                             are not p and u
///   stored(slots)             the slots as `update` left them, from the stored ones, where an
///                             unused slot is 0: where `direction` reads one, for the second sweep
///   hessian_decay(options)    the slot "hessian" is a running mean with this decay, which no step
///                             moves: wrap::update_hessian does
///   interpolation(options)    the parameter is (1 - b) z + b x with this b and the slot "z", and
///                             the model is to be evaluated at x. wrap::Evaluation goes there and
///                             back; the option `evaluating` says that it did
///   factored                  the number of a slot that tensors of two or more dimensions do not
///                             store: it is a product of averages over rows and columns of g^2,
///                             see step/factors.hpp, under the two factor_names. With it come
///                             factoring(k), how these averages move, and suit(k, kind), which
///                             adapts the coefficients of `at` to a tensor: of a factored one
///                             `update` leaves the slot. With one of factor_names the slot is the
///                             average over each row, of any tensor, see step/row_slot.hpp
///   residual(g, slots, k)     a value of each element whose squares are averaged in a second pair
///                             of factors, which stands for slot number `refactored` and moves as
///                             refactoring(k) says. factor_names then has four. In front of that,
///                             resize(k, sum) may adapt the coefficients by the tensor's sum of
///                             squares of measured(g, slots, k). The slots of both are those before
///                             the step, with the first pair moved on
///   inverse_roots             true: the value of a slot that is a product of factors is its
///                             inverse root, as the product of those of the factors
///   before(old, now)          the slots that give the last update in the metric of this step, from
///                             those before and after `update`; else the old ones
///   usual(k)                  whether the coefficients on which the equations branch have their
///                             most frequent values. It sets them to these values once more, which
///                             makes them constants of loops that are compiled for that case
///   lazy                      true: rows without a gradient may rest, as sparse ones leave them
///   squares                   true: it squares gradients. Finite ones beyond 2^60, in float64
///                             2^508, count as that
///   default_lr                the learning rate of default options; else 1e-3
///   check, needs              see check.hpp and policy.hpp
///   Guard                     clamps slots that no gradient history can produce. `apply` returns
///                             the Mask of the elements that it changed; it is not called where
///                             `sure` tells that it would change none. A recipe whose hindrance
///                             policy does not want kGuard has no guard.
template <class R>
concept Rule = Policy<R> && has::Memory<R> && has::Slots<R> && has::slot_names<R> &&
    has::slots<R> && has::restore<R> && has::rule_at<R> && has::update<R> && has::direction<R>;

namespace detail {

/// What a rule asks to be measured.
template <class R>
constexpr unsigned rule_wants() {
  unsigned wants = has::summed<R> ? kSums | kTensors : kNothing;
  if (has::totals<R>) wants |= kTotals;
  // Without a reduce pass there can be one sweep only, and nothing in front of it.
  if (has::second<R> || has::factored<R>) wants |= kNorm;
  if constexpr (has::wants<R>) wants |= R::wants;
  return wants;
}
/// How many sums over all tensors a rule has; 1 for arrays where there is none.
template <class R>
constexpr int total_count() {
  if constexpr (has::totals<R>) return R::total_count;
  return 1;
}
/// The value that a slot begins with.
template <class R>
double initial(const typename R::Options& o, int slot) {
  if constexpr (has::initial<R>) return R::initial(o, slot);
  return 0;
}

/// The slots that a second sweep needs to take the update of R anew: those of R, and a momentum
/// buffer without a momentum, too, where the update is read from it.
template <class R>
unsigned slots_for_second_sweep(const typename R::Options& o) {
  const bool buffer = std::string_view(R::slot_names[0]) == "momentum_buffer";
  return R::slots(o) | (buffer ? 1U : 0U);
}

/// How many averages there are in the place of a slot.
template <class R>
constexpr std::size_t factor_count() {
  if constexpr (has::factored<R>) return R::factor_names.size();
  return 0;
}

/// The coefficients; `whole`: what the rule remembers of the optimizer, if anything.
template <class R, class Rule, class Whole>
AGMOHD_HD auto rule_at(const typename Rule::Options& o, const Now& now,
                       typename Rule::Memory& memory, const Whole& whole) {
  if constexpr (has::totals<Rule>) {
    return Rule::template at<R>(o, now, memory, whole.rule);
  } else {
    return Rule::template at<R>(o, now, memory);
  }
}

/// The factor of a tensor's learning rate, from what its first sweep left.
template <class R, class K>
AGMOHD_HD double second(const typename R::Options& o, const K& k, double p2, double u2) {
  if constexpr (has::second_with<R>) {
    return R::second(o, k, p2, u2);
  } else {
    return R::second(o, p2, u2);
  }
}

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
                "agmohd: the rule has no static function restore(options, step)");
  static_assert(has::rule_at<RulePolicy>,
                "agmohd: the rule has no static function at<R>(options, now, memory)");
  static_assert(has::update<RulePolicy>,
                "agmohd: the rule has no static function update(p, g, slots, coefficients)");
  static_assert(has::direction<RulePolicy>,
                "agmohd: the rule has no static function direction(p, g, slots, coefficients)");
  static_assert(
      has::summed<RulePolicy> || !requires { &RulePolicy::template summed<float>; },
      "agmohd: the rule has summed([p,] g, slots, coefficients), but no member template "
      "Summing<R>, or no static function summing<R>(options, memory)");
  static_assert(
      has::write<RulePolicy> || !requires { &RulePolicy::template write<float>; },
      "agmohd: the rule's write is not write(p, g, u, slots, coefficients, lr, decay)");
  static_assert(!has::second<RulePolicy> || !has::write<RulePolicy>,
                "agmohd: the rule has both second and write: with two sweeps p is decay p - lr u");
  static_assert(
      has::squared<RulePolicy> || !requires { &RulePolicy::template squared<float>; },
      "agmohd: the rule's squared is not squared(p, u), which returns Squared");
  static_assert(
      has::factored<RulePolicy> || !requires { RulePolicy::factored; },
      "agmohd: the rule has factored, but not factor_names, factoring(coefficients) that "
      "returns a Factoring<R>, and suit(coefficients, kind)");
  static_assert(!has::factored<RulePolicy> || (!has::summed<RulePolicy> && !has::Guard<RulePolicy>),
                "agmohd: a rule with a factored slot has neither summed nor Guard");
  static_assert(has::residual<RulePolicy> == (factor_count<RulePolicy>() == 4) &&
                    (!has::factored<RulePolicy> || has::residual<RulePolicy> ||
                     factor_count<RulePolicy>() == 1 || factor_count<RulePolicy>() == 2),
                "agmohd: a rule has four factor_names if it has residual(g, slots, coefficients), "
                "refactoring(coefficients), refactored, measured(g, slots, coefficients) and "
                "resize(coefficients, sum), and else one or two");
  static_assert(!has::residual<RulePolicy> || !has::second<RulePolicy>,
                "agmohd: the rule has both residual and second");
  static_assert(!has::inverse_roots<RulePolicy> || factor_count<RulePolicy>() >= 2,
                "agmohd: the rule has inverse_roots, but no slot that is a product of factors");
  static_assert(
      has::totals<RulePolicy> ||
          !(has::total_count<RulePolicy> || requires { &RulePolicy::template totals<float>; }),
      "agmohd: the rule has total_count or totals, but not all of totals(p, g, old slots, slots, "
      "coefficients) that returns Addends<T, total_count>, a member type OptimizerMemory, "
      "trivially "
      "copyable and of whole doubles, advance(options, now, sums, optimizer's memory), and "
      "at<R>(options, now, memory, optimizer's memory)");
  static_assert(!has::totals<RulePolicy> || (!has::second<RulePolicy> && !has::summed<RulePolicy> &&
                                             !has::factored<RulePolicy> && !has::Guard<RulePolicy>),
                "agmohd: a rule with totals has no second, summed, factored or Guard");
  static_assert(!has::Guard<RulePolicy> || has::guard_memory<RulePolicy>,
                "agmohd: the rule's Guard has no member type Memory, trivially copyable and of "
                "whole doubles");
  static_assert(!has::Guard<RulePolicy> || has::guard_restore<RulePolicy>,
                "agmohd: the rule's Guard has no static function restore(options, step)");
  static_assert(!has::Guard<RulePolicy> || has::guard_at<RulePolicy>,
                "agmohd: the rule's Guard has no static function at<R>(options, now, slack, rule's "
                "memory, memory)");
  static_assert(!has::Guard<RulePolicy> || has::guard_apply<RulePolicy>,
                "agmohd: the rule's Guard has no static functions sure(slots, coefficients) and "
                "apply(slots, rule's coefficients, coefficients)");
  static_assert(agmohd::Rule<RulePolicy>,
                "agmohd: an argument of Recipe is not a rule; see agmohd/rule/rule.hpp");
  static constexpr bool passed = true;
};

}  // namespace detail

}  // namespace agmohd
