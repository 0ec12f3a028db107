// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "../policy/policy.hpp"

namespace agmohd {

namespace has {
template <class R>
concept Slots = requires {
  typename R::template Slots<float>;
};
template <class R>
concept slot_names = requires {
  { R::slot_names.size() } -> std::convertible_to<std::size_t>;
};
template <class R>
concept slots = requires(typename R::Options o) {
  { R::slots(o) } -> std::convertible_to<unsigned>;
};
template <class R>
concept restore = requires(typename R::Options o) {
  { R::restore(o, std::int64_t{}) } -> std::same_as<typename R::Memory>;
};
template <class R>
concept rule_at = requires(typename R::Options o, const Now& now, typename R::Memory& memory) {
  {
    R::template at<float>(o, now, memory)
    } -> std::same_as<typename R::template Coefficients<float>>;
};
template <class R>
concept update = requires(const float& x, typename R::template Slots<float>& s,
                          const typename R::template Coefficients<float>& k) {
  R::update(x, x, s, k);
};
template <class R>
concept direction = requires(const float& x, const typename R::template Slots<float>& s,
                             const typename R::template Coefficients<float>& k) {
  { R::direction(x, x, s, k) } -> std::convertible_to<float>;
};
template <class R>
concept usual = requires(typename R::template Coefficients<float>& k) {
  { R::usual(k) } -> std::same_as<bool>;
};
template <class R>
concept before = requires(const typename R::template Slots<float>& s) {
  { R::before(s, s) } -> std::same_as<typename R::template Slots<float>>;
};
template <class R>
concept summed = requires(typename R::Options o, const typename R::Memory& memory, const float& x,
                          const typename R::template Slots<float>& s,
                          const typename R::template Summing<float>& k) {
  { R::template summing<float>(o, memory) } -> std::same_as<typename R::template Summing<float>>;
  { R::summed(x, s, k) } -> std::convertible_to<float>;
};
template <class R>
concept lr = requires(typename R::Options o, const Now& now) {
  { R::lr(o, now) } -> std::same_as<double>;
};
template <class R>
concept beta1 = requires(typename R::Options o) {
  { R::beta1(o) } -> std::same_as<double>;
};
template <class R>
concept stable_step = requires(typename R::Options o) {
  { R::stable_step(o, 0.9) } -> std::same_as<double>;
};
template <class R>
concept decay = requires(typename R::Options o) {
  { R::decay(o, 1.0) } -> std::same_as<double>;
};
template <class R>
concept write = requires(const float& x, typename R::template Slots<float>& s,
                         const typename R::template Coefficients<float>& k) {
  { R::write(x, x, x, s, k, 1.0F, 1.0F) } -> std::convertible_to<float>;
};
template <class R>
concept initial = requires(typename R::Options o) {
  { R::initial(o, 0) } -> std::same_as<double>;
};
template <class R>
concept second = requires(typename R::Options o) {
  { R::second(o, 1.0, 1.0) } -> std::same_as<double>;
};
template <class R>
concept Guard = std::is_class_v<typename R::Guard>;
template <class R>
concept guard_memory = Memory<typename R::Guard>;
template <class R>
concept guard_restore = requires(typename R::Options o) {
  { R::Guard::restore(o, std::int64_t{}) } -> std::same_as<typename R::Guard::Memory>;
};
template <class R>
concept guard_at = requires(typename R::Options o, const Now& now, const typename R::Memory& rule,
                            typename R::Guard::Memory& memory) {
  {
    R::Guard::template at<float>(o, now, 1.0, rule, memory)
    } -> std::same_as<typename R::Guard::template Coefficients<float>>;
};
template <class R>
concept guard_apply = requires(typename R::template Slots<float>& s,
                               const typename R::template Coefficients<float>& rule,
                               const typename R::Guard::template Coefficients<float>& k) {
  { R::Guard::sure(s, k) } -> std::same_as<bool>;
  { R::Guard::apply(s, rule, k) } -> std::convertible_to<bool>;
};
template <class R>
concept guard = Guard<R> && guard_memory<R> && guard_restore<R> && guard_at<R> && guard_apply<R>;
}  // namespace has

/// An update rule. `update` changes the slots, `direction` gives the update u and changes nothing;
/// the parameter becomes decay p - lr u. Coefficients are made from options once a step and tensor,
/// by `at`. Optional members:
///   decay(options, lr)        the factor of p; else 1
///   lr(options, now)          what the rule makes of the learning rate; decay gets it too
///   write(p, g, u, slots, k, lr, decay)
///                             the new parameter, where it is not decay p - lr u; may change slots
///   second(options, p2, u2)   there are two sweeps: the first changes slots only; then this gives
///                             a factor of the learning rate, from the sums of squares of p and u
///                             over the tensor; the second sweep writes p, with u from the slots
///                             as they are stored
///   initial(options, slot)    the value that a slot begins with; else 0
///   wants                     kTensors: Now::norm2 and Now::numel are known
///   summing, summed           a value of each element, whose mean over the tensor is Now::mean
///   beta1(options)            it has a first moment
///   stable_step(options, b1)  the largest learning rate at which it is stable, up to a factor;
///                             without it no policy lowers beta1
///   before(old, now)          the slots that give the last update in the metric of this step, from
///                             those before and after `update`; else the old ones
///   usual(k)                  whether coefficients that branch in the equations have their most
///                             frequent values, which it then sets: loops are compiled for those
///   default_lr, check, needs  as their names say
///   Guard                     brings slots that no history of gradients can lead to back to where
///                             one can: `apply` returns the Mask of what it changed; where `sure`
///                             is true it would change nothing and is not called. A recipe whose
///                             hindrance policy does not want kGuard has nothing of it.
template <class R>
concept Rule = Policy<R> && has::Memory<R> && has::Slots<R> && has::slot_names<R> &&
    has::slots<R> && has::restore<R> && has::rule_at<R> && has::update<R> && has::direction<R>;

namespace detail {

/// What a rule asks to be measured.
template <class R>
constexpr unsigned rule_wants() {
  unsigned wants = has::summed<R> ? kSums | kTensors : kNothing;
  if (has::second<R>) wants |= kNorm;  // steps without a reduce pass have one sweep
  if constexpr (has::wants<R>) wants |= R::wants;
  return wants;
}
/// The value that a slot begins with.
template <class R>
double initial(const typename R::Options& o, int slot) {
  if constexpr (has::initial<R>) return R::initial(o, slot);
  return 0;
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
      "agmohd: the rule has summed(g, slots, coefficients), but no member template "
      "Summing<R>, or no static function summing<R>(options, memory)");
  static_assert(
      has::write<RulePolicy> || !requires { &RulePolicy::template write<float>; },
      "agmohd: the rule's write is not write(p, g, u, slots, coefficients, lr, decay)");
  static_assert(!has::second<RulePolicy> || !has::write<RulePolicy>,
                "agmohd: the rule has both second and write: with two sweeps p is decay p - lr u");
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
