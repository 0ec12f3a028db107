// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// One group's part of a transform of all gradients.
// must say: acts on all gradients together

#include <agmohd/recipes.hpp>

using namespace agmohd;

#ifdef MUST_NOT_COMPILE
using Clip = gradient::ClipByNorm;
#else
using Clip = gradient::NormalizeTensors;
#endif
static_assert(Recipe<rule::SGD, gradient::OnGroup<Clip, 1>>::by_group);
