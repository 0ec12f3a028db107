// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// A schedule with a memory inside one that would drop it.
// must say: the schedule inside HindranceAware has a memory, which it would lose

#include <agmohd/recipes.hpp>

#ifdef MUST_NOT_COMPILE
using Schedule = agmohd::schedule::HindranceAware<agmohd::schedule::Plateau<>>;
#else
using Schedule = agmohd::schedule::Plateau<agmohd::schedule::Warmup<>>;
#endif
using Mine = agmohd::Recipe<agmohd::rule::SGD, Schedule>;
static_assert(Mine::wants == agmohd::kLoss);
