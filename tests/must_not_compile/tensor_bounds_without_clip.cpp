// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// AdaGC, whose bounds of single tensors a clip by the global norm ignores.
// must say: the hindrance policy bounds each tensor's gradient norm, but no gradient policy

#include <agmohd/recipes.hpp>

#ifdef MUST_NOT_COMPILE
using Clip = agmohd::gradient::ClipByNorm;
#else
using Clip = agmohd::gradient::AdaptiveClip;
#endif

static_assert(agmohd::Recipe<agmohd::rule::AdamW, agmohd::hindrance::AdaGC, Clip>::recorded);
