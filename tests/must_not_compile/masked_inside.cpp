// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// A mask within GrokFast would leave grok_exp_avg of frozen elements to move.
// must say: write Masked outside: Masked<GrokFast<R>>

#include <agmohd/recipes.hpp>
#include <agmohd/rule/grokfast.hpp>
#include <agmohd/rule/masked.hpp>

using namespace agmohd;

#ifdef MUST_NOT_COMPILE
using Mine = rule::GrokFast<rule::Masked<rule::AdamW>>;
#else
using Mine = rule::Masked<rule::GrokFast<rule::AdamW>>;
#endif
static_assert(Recipe<Mine>::slot_count == 5);
