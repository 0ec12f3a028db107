// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// What a rule remembers of all parameters would stay where a rollback takes these back.
// must say: snapshots do not hold what a rule remembers of the optimizer yet

#include <agmohd/recipes.hpp>
#include <agmohd/rule/prodigy.hpp>

#ifdef MUST_NOT_COMPILE
using Recovery = agmohd::recovery::Snapshots;
#else
using Recovery = agmohd::recovery::None;
#endif

using Mine = agmohd::Recipe<agmohd::rule::Prodigy, agmohd::hindrance::Nonfinite, Recovery>;
static_assert(Mine::totals);
