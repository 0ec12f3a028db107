// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// Four averages are two pairs of factors: the second one needs something to be averaged.
// must say: a rule has four factor_names if it has residual(g, slots, coefficients)

#include <agmohd/recipe.hpp>
#include <agmohd/rule/adam_mini.hpp>
#include <array>

struct Mine : agmohd::rule::AdamMini {
#ifdef MUST_NOT_COMPILE
  static constexpr std::array<const char*, 4> factor_names{"a", "b", "c", "d"};
#else
  static constexpr std::array<const char*, 2> factor_names{"a", "b"};
#endif
};

using Recipe = agmohd::Recipe<Mine>;
static_assert(Recipe::factored);
