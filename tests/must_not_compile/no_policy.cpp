// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// A recipe as an argument of another one, and a type that is no policy.
// must say: an argument of Recipe is a recipe, not a policy
// must say: an argument of Recipe is no policy

#include <agmohd/recipes.hpp>

struct Stranger {};

#ifdef MUST_NOT_COMPILE
static_assert(agmohd::Recipe<agmohd::recipe::Adam>::wants == agmohd::kNothing);
static_assert(agmohd::Recipe<agmohd::rule::Adam, Stranger>::wants == agmohd::kNothing);
#else
static_assert(agmohd::Recipe<agmohd::rule::Adam>::wants == agmohd::kNothing);
#endif
