// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// An element transform between a scale transform and one that measures would need a second pass.
// must say: an element transform stands between a scale transform and a transform that measures

#include <agmohd/recipes.hpp>

using namespace agmohd;
#ifdef MUST_NOT_COMPILE
using Transforms =
    gradient::Chain<gradient::ClipByNorm, gradient::ClipByValue, gradient::ClipByNorm>;
#else
using Transforms =
    gradient::Chain<gradient::ClipByValue, gradient::ClipByNorm, gradient::ClipByNorm>;
#endif
static_assert(Recipe<rule::SGD, Transforms>::wants == kNorm);
