// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// Sums of powers where a detector expects sums of squares.
// must say: its recipe can have no hindrance policy that looks at gradients

#include <agmohd/recipes.hpp>

using namespace agmohd;

#ifdef MUST_NOT_COMPILE
using Watches = hindrance::Detector;
#else
using Watches = hindrance::None;
#endif
static_assert(Recipe<rule::SGD, Watches, gradient::ClipByPNorm>::powers);
