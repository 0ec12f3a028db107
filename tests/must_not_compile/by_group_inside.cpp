// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// Schedules of single groups inside one that knows no groups.
// must say: schedule::ByGroup stands inside another schedule

#include <agmohd/recipes.hpp>

using namespace agmohd::schedule;

#ifdef MUST_NOT_COMPILE
using Schedule = Warmup<ByGroup<Constant, Cosine>>;
#else
using Schedule = ByGroup<Warmup<>, Warmup<Cosine>>;
#endif
using Mine = agmohd::Recipe<agmohd::rule::SGD, Schedule>;
static_assert(Mine::by_group);
