// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// An element link between a scale link and one that measures would need a second pass.
// must say: an element link stands between a scale link and a link that measures

#include <agmohd/recipes.hpp>

using namespace agmohd;
#ifdef MUST_NOT_COMPILE
using Links = gradient::Chain<gradient::ClipByNorm, gradient::ClipByValue, gradient::ClipByNorm>;
#else
using Links = gradient::Chain<gradient::ClipByValue, gradient::ClipByNorm, gradient::ClipByNorm>;
#endif
static_assert(Recipe<rule::SGD, Links>::wants == kNorm);
