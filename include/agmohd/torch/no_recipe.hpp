// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <type_traits>

#include "../policy/policy.hpp"

namespace agmohd {

namespace detail {
template <class R>
struct CheckNames;
template <class... Policy, template <class...> class Composition>
struct CheckNames<Composition<Policy...>> {
  static_assert((std::is_convertible_v<decltype(Policy::name()), std::string> && ...),
                "agmohd: the name() of a policy is neither a const char* nor a std::string");
  static constexpr bool passed = true;
};

/// Something that says what a step does.
template <class R>
concept ARecipe = requires {
  typename R::Rule;
  typename R::Hindrance;
  typename R::Momentum;
  typename R::Gradient;
  typename R::Schedule;
  typename R::Storage;
  typename R::Recovery;
};
}  // namespace detail

// GCC shows this line for agmohd::Optimizer without arguments, clang that of the definition.
// clang-format off
template <class RecipeType>
class Optimizer;  // agmohd::Optimizer is a template: a function that takes any optimizer takes a torch::optim::Optimizer&
// clang-format on

/// What is not a recipe gets one sentence.
template <class NoRecipe>
requires(!detail::ARecipe<NoRecipe>) class Optimizer<NoRecipe> {
  static_assert(detail::never<NoRecipe>,
                "agmohd: Optimizer takes a recipe, such as Recipe<rule::AdamW>, not a policy or "
                "another optimizer; agmohd::AdamW is Optimizer<Recipe<rule::AdamW>>");

 public:
  template <class... Given>
  explicit Optimizer(const Given&...) {}
};

}  // namespace agmohd
