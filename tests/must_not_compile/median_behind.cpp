// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// A median of norms that does not count what was done to single tensors before.
// must say: which the median does not count; swap them

#include <agmohd/recipes.hpp>

using namespace agmohd;
using namespace agmohd::gradient;

#ifdef MUST_NOT_COMPILE
using Both = Chain<Stabilize, NormalizeToMedian>;
#else
using Both = Chain<NormalizeToMedian, Stabilize>;
#endif
static_assert(Recipe<rule::SGD, Both>::median_norm);
