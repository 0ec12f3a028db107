// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <type_traits>

#include "../hindrance/none.hpp"
#include "../momentum/fixed.hpp"
#include "../recovery/none.hpp"
#include "../schedule/constant.hpp"
#include "../storage/native.hpp"
#include "composition.hpp"
#include "families.hpp"

namespace agmohd {

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

/// The same of a rule by itself, which most of optimizers.hpp are, without a search by family.
template <class P>
requires(family_of<P>() == Family::rule) struct Compose<P> {
  static_assert(CheckFamily<P>::passed);
  using type = Composition<P, hindrance::None, momentum::Fixed, gradient::chain_of<PolicyList<>>,
                           schedule::Constant, storage::Native, recovery::None>;
};

}  // namespace detail

/// What a step does, as a type; Optimizer<Recipe<...>> is what a program holds. The arguments are
/// policies in any order: a rule, gradient transforms, which are applied in written order, and at
/// most one each of the other families. Without one there is hindrance::None, momentum::Fixed, no
/// transform, schedule::Constant, storage::Native, recovery::None.
template <class... Policies>
using Recipe = typename detail::Compose<Policies...>::type;

}  // namespace agmohd
