// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// A largest magnitude that nobody measured.
// must say: looks at the largest magnitude (ClipByMaxNorm) stands behind one that looks at the
// median

#include <agmohd/recipes.hpp>

using namespace agmohd;
using namespace agmohd::gradient;

#ifdef MUST_NOT_COMPILE
using Both = Chain<NormalizeToMedian, ClipByMaxNorm>;
#else
using Both = Chain<ClipByMaxNorm, NormalizeToMedian>;
#endif
static_assert(Recipe<rule::SGD, Both>::median_norm);
