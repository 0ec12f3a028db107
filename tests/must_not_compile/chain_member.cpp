// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// A policy of another family in a gradient chain.
// must say: a member of a gradient Chain is not a transform

#include <agmohd/recipes.hpp>

using namespace agmohd;
#ifdef MUST_NOT_COMPILE
using Transforms = gradient::Chain<gradient::ClipByNorm, schedule::Cosine>;
#else
using Transforms = gradient::Chain<gradient::ClipByNorm, gradient::ClipByNorm>;
#endif
static_assert(Recipe<rule::SGD, Transforms>::wants == kNorm);
