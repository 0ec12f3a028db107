// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// A cycle of the momentum without one of the learning rate.
// must say: momentum::Cycle needs a schedule with a cycle

#include <agmohd/recipes.hpp>

using namespace agmohd;

#ifdef MUST_NOT_COMPILE
using Rate = schedule::Cosine;
#else
using Rate = schedule::OneCycle;
#endif
static_assert(Recipe<rule::SGD, Rate, momentum::Cycle>::slot_count == 1);
