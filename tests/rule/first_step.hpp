// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cmath>

/// The direction of Adam's first update, whose moments have bias correction.
inline double adam_direction(double g, double eps) { return g / (std::abs(g) + eps); }
