// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <type_traits>

#include "concepts.hpp"

// Which family a policy is of, so that the arguments of Recipe may stand in any order.
namespace agmohd::detail {

enum class Family : unsigned {
  rule = 1,
  hindrance = 2,
  momentum = 4,
  gradient = 8,
  schedule = 16,
  storage = 32,
  healing = 64
};

/// The families that P has a member of which no other has. That it has all members of its family is
/// demanded by core/recipe_checks.hpp, which names the one that is missing.
template <class P>
constexpr unsigned families() {
  unsigned found = 0;
  const auto add = [&found](Family family, bool is) { found |= is ? unsigned(family) : 0U; };
  add(Family::rule, has::slot_names<P> || has::Slots<P>);
  add(Family::gradient, has::kind<P>);
  add(Family::hindrance, has::wants<P> && !has::kind<P>);
  add(Family::momentum, has::needs_first_moment<P>);
  add(Family::storage, has::Float<P> || has::Key<P>);
  add(Family::healing, has::keeps<P>);
  add(Family::schedule, has::factor<P> || (found == 0 && Policy<P>));  // its only member
  return found;
}

template <class P>
struct CheckFamily {
  static constexpr unsigned of = families<P>();
  static_assert(of != 0,
                "agmohd: an argument of Recipe is no policy: neither a rule, a hindrance policy, a "
                "momentum policy, a gradient transform, a schedule, a storage nor a healing "
                "policy; see core/concepts.hpp");
  static_assert((of & (of - 1)) == 0,
                "agmohd: an argument of Recipe is a policy of several families; see "
                "core/families.hpp");
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
                   std::conditional_t<families<P>() == unsigned(family), PolicyList<Found..., P>,
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
