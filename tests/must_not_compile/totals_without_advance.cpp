// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// Sums over all tensors that nothing takes.
// must say: the rule has total_count or totals, but not all of totals(p, g, old slots, slots,

#include <agmohd/recipes.hpp>
#include <agmohd/rule/prodigy.hpp>

struct Mine : agmohd::rule::Prodigy {
#ifdef MUST_NOT_COMPILE
  static void advance() = delete;
#endif
};

static_assert(agmohd::Recipe<Mine>::totals);
