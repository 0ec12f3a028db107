// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <type_traits>

#include "../gradient/chain.hpp"
#include "../gradient/gradient.hpp"
#include "../hindrance/hindrance.hpp"
#include "../momentum/momentum.hpp"
#include "../recovery/recovery.hpp"
#include "../rule/rule.hpp"
#include "../schedule/schedule.hpp"
#include "../storage/storage.hpp"

// Which family a policy is of, so that the arguments of Recipe may stand in any order.
namespace agmohd::detail {

enum class Family { none, rule, gradient, momentum, recovery, hindrance, storage, schedule };

/// The family of P, by a member that is its own, or the schedule's where there is none: that it has
/// all members of its family is demanded by step/recipe_checks.hpp, which names the one that is
/// missing.
template <class P>
constexpr Family family_of() {
  if (has::slot_names<P> || has::Slots<P>) return Family::rule;
  if (has::kind<P>) return Family::gradient;
  if (has::needs_first_moment<P>) return Family::momentum;
  if (has::keeps<P>) return Family::recovery;
  if (has::factor<P>) return Family::schedule;
  if (has::wants<P>) return Family::hindrance;
  if (has::Float<P> || has::Key<P>) return Family::storage;
  if (has::factor<P> || Policy<P>) return Family::schedule;
  return Family::none;
}

template <class P>
concept NamesPolicies = requires {
  typename P::Rule;
  typename P::Hindrance;
};

template <class P>
struct CheckFamily {
  static_assert(!NamesPolicies<P>, "agmohd: an argument of Recipe is a recipe, not a policy");
  static_assert(family_of<P>() != Family::none,
                "agmohd: an argument of Recipe is no policy: neither a rule, a hindrance policy, a "
                "momentum policy, a gradient transform, a schedule, a storage nor a recovery "
                "policy; see agmohd/policy/policy.hpp");
  static constexpr bool passed = true;
};

template <class...>
struct PolicyList {};

/// Those of P that are of a family, behind those that were found, in written order.
template <Family family, class Found, class... P>
struct SelectFamily {
  using type = Found;
};
template <Family family, class... Found, class P, class... Rest>
struct SelectFamily<family, PolicyList<Found...>, P, Rest...>
    : SelectFamily<family,
                   std::conditional_t<family_of<P>() == family, PolicyList<Found..., P>,
                                      PolicyList<Found...>>,
                   Rest...> {};

/// The one policy of a list, or a default if it is empty.
template <class Default, class List>
struct OnePolicy {
  using type = Default;
};
template <class Default, class P>
struct OnePolicy<Default, PolicyList<P>> {
  using type = P;
};
template <class Default, class P, class... More>
requires(sizeof...(More) > 0) struct OnePolicy<Default, PolicyList<P, More...>> {
  static_assert(never<P>,
                "agmohd: a recipe has two policies of a family of which there is one, such as two "
                "rules; only gradient transforms may be several");
  using type = P;
};

template <Family family, class Default, class... P>
using policy_of =
    typename OnePolicy<Default, typename SelectFamily<family, PolicyList<>, P...>::type>::type;

}  // namespace agmohd::detail

namespace agmohd::gradient {

namespace detail {

/// Transforms one after another: one alone as it is, the transforms of a chain in its place.
template <class Found, class... L>
struct Chained;
template <class... Found>
struct Chained<agmohd::detail::PolicyList<Found...>> {
  using type = Chain<Found...>;
};
template <class L>
struct Chained<agmohd::detail::PolicyList<L>> {
  using type = L;
};
template <class... Found, class L, class... Rest>
struct Chained<agmohd::detail::PolicyList<Found...>, L, Rest...>
    : Chained<agmohd::detail::PolicyList<Found..., L>, Rest...> {};
template <class... Found, class... L, class... Rest>
struct Chained<agmohd::detail::PolicyList<Found...>, Chain<L...>, Rest...>
    : Chained<agmohd::detail::PolicyList<Found..., L...>, Rest...> {};

template <class List>
struct ChainOf;
template <class... L>
struct ChainOf<agmohd::detail::PolicyList<L...>> : Chained<agmohd::detail::PolicyList<>, L...> {};

}  // namespace detail

/// The gradient policy that a list of transforms makes.
template <class List>
using chain_of = typename detail::ChainOf<List>::type;

}  // namespace agmohd::gradient
