// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "../policy/factoring.hpp"
#include "../policy/policy.hpp"

// The members of a rule, each as a concept. What they mean stands in rule.hpp.
namespace agmohd {

/// Two values of an element, whose squares are summed over a tensor: p and u, or what a rule's
/// `squared` takes in their place.
template <class T>
struct Squared {
  T p, u;
};

/// The second sweep of a tensor: p becomes decay p - lr u.
struct Projected {
  double lr, decay;
};

/// What a rule adds up over all tensors, N values of an element.
template <class T, int N>
struct Addends {
  T of[N];
};

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
concept OptimizerMemory = PolicyMemory<typename R::OptimizerMemory>;
template <class R>
concept rule_at_with = OptimizerMemory<R> &&
    requires(typename R::Options o, const Now& now, typename R::Memory& memory,
             const typename R::OptimizerMemory& whole) {
  {
    R::template at<float>(o, now, memory, whole)
    } -> std::same_as<typename R::template Coefficients<float>>;
};
template <class R>
concept rule_at = rule_at_with<R> ||
    requires(typename R::Options o, const Now& now, typename R::Memory& memory) {
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
concept summing = requires(typename R::Options o, const typename R::Memory& memory) {
  { R::template summing<float>(o, memory) } -> std::same_as<typename R::template Summing<float>>;
};
template <class R>
concept sums_parameter = summing<R> &&
    requires(const float& x, const typename R::template Slots<float>& s,
             const typename R::template Summing<float>& k) {
  { R::summed(x, x, s, k) } -> std::convertible_to<float>;
};
template <class R>
concept summed = sums_parameter<R> ||
    (summing<R>&& requires(const float& x, const typename R::template Slots<float>& s,
                           const typename R::template Summing<float>& k) {
      { R::summed(x, s, k) } -> std::convertible_to<float>;
    });
template <class R>
concept lr = requires(typename R::Options o, const Now& now) {
  { R::lr(o, now) } -> std::same_as<double>;
};
template <class R>
concept lr_with = OptimizerMemory<R> &&
    requires(typename R::Options o, const Now& now, const typename R::OptimizerMemory& whole) {
  { R::lr(o, now, whole) } -> std::same_as<double>;
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
concept hessian_decay = requires(typename R::Options o) {
  { R::hessian_decay(o) } -> std::same_as<double>;
};
template <class R>
concept interpolation = requires(typename R::Options o) {
  { R::interpolation(o) } -> std::same_as<double>;
  { o.evaluating } -> std::convertible_to<bool>;
};
template <class R>
concept squared = requires(const float& x) {
  { R::squared(x, x) } -> std::same_as<Squared<float>>;
};
template <class R>
concept stored = requires(const typename R::template Slots<float>& s) {
  { R::stored(s) } -> std::same_as<typename R::template Slots<float>>;
};
template <class R>
concept second_with = requires(typename R::Options o,
                               const typename R::template Coefficients<float>& k) {
  { R::second(o, k, 1.0, 1.0) } -> std::same_as<double>;
};
template <class R>
concept project = requires(typename R::Memory& memory) {
  { R::project(memory, true, 1.0, 1.0, 1.0, Projected{}) } -> std::same_as<Projected>;
};
template <class R>
concept second = second_with<R> || project<R> || requires(typename R::Options o) {
  { R::second(o, 1.0, 1.0) } -> std::same_as<double>;
};
template <class R>
concept factored = requires(typename R::template Coefficients<float>& k, const TensorKind& kind) {
  { R::factored } -> std::convertible_to<int>;
  { R::factor_names.size() } -> std::convertible_to<std::size_t>;
  { R::factoring(k) } -> std::convertible_to<Factoring<float>>;
  R::suit(k, kind);
};
template <class R>
concept residual = factored<R> &&
    requires(const float& x, const typename R::template Slots<float>& s,
             typename R::template Coefficients<float>& k) {
  { R::refactored } -> std::convertible_to<int>;
  { R::measured(x, s, k) } -> std::convertible_to<float>;
  R::resize(k, 1.0);
  { R::residual(x, s, k) } -> std::convertible_to<float>;
  { R::refactoring(k) } -> std::convertible_to<Factoring<float>>;
};
template <class R>
concept inverse_roots = requires {
  requires R::inverse_roots;
};
template <class R>
concept total_count = requires {
  requires R::total_count >
  0;
};
template <class R>
concept totals = total_count<R> && rule_at_with<R> &&
    requires(const float& x, const typename R::template Slots<float>& s,
             const typename R::template Coefficients<float>& k, typename R::Options o,
             const Now& now, typename R::OptimizerMemory& whole) {
  { R::totals(x, x, s, s, k) } -> std::same_as<Addends<float, R::total_count>>;
  R::advance(o, now, Totals<R::total_count>{}, whole);
};
template <class R>
concept Guard = std::is_class_v<typename R::Guard>;
template <class R>
concept squares = requires {
  requires R::squares;
};
template <class R>
concept masked = requires {
  requires R::masked;
};
template <class R>
concept lazy = requires {
  requires R::lazy;
};
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

}  // namespace agmohd
