// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

// What agmohd needs of the flags it is compiled with. A compiler goes on after #error, but stops
// where a file is missing.

#if __cplusplus < 202002L
#error agmohd needs C++20: compile with -std=c++20 or later
#include "agmohd needs C++20"
#endif

// Infinities and NaN steer what a step does, and all devices compute the same bits.
#if defined(__FAST_MATH__) || defined(__ASSOCIATIVE_MATH__) || defined(__RECIPROCAL_MATH__) || \
    __FINITE_MATH_ONLY__ + 0 > 0
#error agmohd sees no NaN under -ffast-math, -Ofast, -ffinite-math-only: compile it without them
#include "agmohd needs NaN"
#endif
