// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// A chain inside a chain: what it measures would not be what it sees.
// must say: a gradient Chain stands inside a Chain

#include <agmohd/recipes.hpp>

using namespace agmohd;
#ifdef MUST_NOT_COMPILE
using Transforms = gradient::Chain<gradient::ClipByValue,
                                   gradient::Chain<gradient::ClipByValue, gradient::ClipByNorm>>;
#else
using Transforms =
    gradient::Chain<gradient::ClipByValue, gradient::ClipByValue, gradient::ClipByNorm>;
#endif
static_assert(Recipe<rule::SGD, Transforms>::wants == kNorm);
