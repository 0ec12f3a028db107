// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// A transform by rows behind another: rows are measured as the gradients come.
// must say: take the gradients as they come: write it in front of all others

#include <agmohd/recipes.hpp>

using namespace agmohd;
#ifdef MUST_NOT_COMPILE
using Clipped = Recipe<rule::SGD, gradient::ClipByValue, gradient::AGC>;
#else
using Clipped = Recipe<rule::SGD, gradient::AGC, gradient::ClipByValue>;
#endif
static_assert(Clipped::rows);
