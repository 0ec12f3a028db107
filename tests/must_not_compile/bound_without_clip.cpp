// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// A hindrance policy that bounds the gradient norm, and no clip that applies the bound.
// must say: the hindrance policy bounds the gradient norm, but no gradient policy of the recipe

#include <agmohd/recipes.hpp>

#ifdef MUST_NOT_COMPILE
using Clip = agmohd::gradient::ClipByValue;
#else
using Clip = agmohd::gradient::Chain<agmohd::gradient::ClipByValue, agmohd::gradient::ClipByNorm>;
#endif

template <class Hindrance>
using Mine = agmohd::Recipe<agmohd::rule::AdamW, Hindrance, Clip>;
static_assert(Mine<agmohd::hindrance::ZClip>::recorded);
static_assert(Mine<agmohd::hindrance::Detect<agmohd::hindrance::Explosion>>::recorded);
