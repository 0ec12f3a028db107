// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// A gradient policy where the rule belongs.
// must say: a recipe needs a rule, such as rule::AdamW

#include <agmohd/recipes.hpp>

#ifdef MUST_NOT_COMPILE
using Mine = agmohd::Recipe<agmohd::gradient::ClipByNorm>;
#else
using Mine = agmohd::Recipe<agmohd::rule::Adam>;
#endif
static_assert(Mine::wants == agmohd::kNothing);
