// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <concepts>

#include "../policy/policy.hpp"

namespace agmohd {

namespace has {
template <class M>
concept needs_first_moment = requires {
  { M::needs_first_moment } -> std::convertible_to<bool>;
};
template <class M>
concept advance = requires(typename M::Options o, const Verdict& v, typename M::Memory& memory) {
  M::advance(o, v, memory);
};
template <class M>
concept blend = requires(typename M::Options o, const typename M::Memory& memory) {
  { M::blend(o, memory, 0.9) } -> std::same_as<Blend>;
};
template <class M>
concept cycled_blend = requires(typename M::Options o, const typename M::Memory& memory) {
  { M::blend(o, memory, 0.9, 0.5) } -> std::same_as<Blend>;
};
}  // namespace has

/// A momentum policy. `blend(options, memory, beta1)` says which momentum a rule whose options say
/// beta1 is to use in this step; `advance(options, verdict, memory)` comes before it, once a step
/// that is not skipped. With blend(options, memory, beta1, cycle) it follows the `cycle` of the
/// recipe's schedule: its momentum is used as it is, also below beta1, and the learning rate stays.
/// `needs_first_moment`: a rule without beta1 does not compile with it.
template <class M>
concept Momentum = Policy<M> && has::Memory<M> && has::needs_first_moment<M> && has::advance<M> &&
    (has::blend<M> || has::cycled_blend<M>);

namespace detail {

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
  static_assert(has::blend<MomentumPolicy> || has::cycled_blend<MomentumPolicy>,
                "agmohd: the momentum policy has no static function blend(options, memory, beta1)");
  static_assert(
      agmohd::Momentum<MomentumPolicy>,
      "agmohd: an argument of Recipe is not a momentum policy; see agmohd/momentum/momentum.hpp");
  static constexpr bool passed = true;
};

}  // namespace detail

}  // namespace agmohd
