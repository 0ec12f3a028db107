// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// Frozen elements would still count in the norm by which NovoGrad scales their tensor.
// must say: Masked needs a rule of each element by itself (no factored, no totals, no wants)

#include <agmohd/recipes.hpp>
#include <agmohd/rule/masked.hpp>
#include <agmohd/rule/novograd.hpp>

#ifdef MUST_NOT_COMPILE
using Inner = agmohd::rule::NovoGrad;
#else
using Inner = agmohd::rule::AdamW;
#endif

using Mine = agmohd::Recipe<agmohd::rule::Masked<Inner>>;
static_assert(Mine::slot_count > 1);
