// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// A policy of another family in a gradient chain.
// must say: a member of a gradient Chain is not a link

#include <agmohd/recipes.hpp>

using namespace agmohd;
#ifdef MUST_NOT_COMPILE
using Links = gradient::Chain<gradient::ClipByNorm, schedule::Cosine>;
#else
using Links = gradient::Chain<gradient::ClipByNorm, gradient::ClipByNorm>;
#endif
static_assert(Recipe<rule::SGD, Links>::wants == kNorm);
