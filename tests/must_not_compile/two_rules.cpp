// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// Two policies of a family of which a recipe has one.
// must say: a recipe has two policies of a family of which there is one, such as two rules

#include <agmohd/recipes.hpp>

#ifdef MUST_NOT_COMPILE
using Mine = agmohd::Recipe<agmohd::rule::Adam, agmohd::rule::SGD>;
#else
using Mine = agmohd::Recipe<agmohd::rule::Adam>;
#endif
static_assert(Mine::wants == agmohd::kNothing);
