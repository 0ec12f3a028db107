// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

// Refuses compiler flags that agmohd cannot work with. After an #error alone a compiler goes on,
// and buries it under errors that follow from it; at an include of a file that does not exist it
// stops.

#if __cplusplus < 202002L
#error agmohd needs C++20: compile with -std=c++20 or later
#include "agmohd needs C++20"
#endif

// With these flags a compiler assumes that there are no infinities and NaN, which hindrance
// policies look for, and reorders additions, which would give other bits on every device.
#if defined(__FAST_MATH__) || defined(__ASSOCIATIVE_MATH__) || defined(__RECIPROCAL_MATH__) || \
    __FINITE_MATH_ONLY__ + 0 > 0
#error agmohd sees no NaN under -ffast-math, -Ofast, -ffinite-math-only: compile it without them
#include "agmohd needs NaN"
#endif
