// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// exp_avg of LaProp is not the mean of gradients.
// must say: NoiseFilter needs a rule with the moments of Adam

#include <agmohd/recipes.hpp>
#include <agmohd/rule/laprop.hpp>
#include <agmohd/rule/noise_filter.hpp>

using namespace agmohd;

#ifdef MUST_NOT_COMPILE
using Mine = rule::NoiseFilter<rule::LaProp>;
#else
using Mine = rule::NoiseFilter<rule::AdamW>;
#endif
static_assert(Recipe<Mine>::slot_count == 3);
