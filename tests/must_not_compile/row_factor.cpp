// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// A row_factor that the backends would not call: it would silently do nothing.
// must say: row_factor is not double row_factor(options, double p2, double g2)

#include <agmohd/recipes.hpp>

using namespace agmohd;

struct Halved : gradient::AGC {
  static const char* name() { return "Halved"; }
#ifdef MUST_NOT_COMPILE
  AGMOHD_HD static float row_factor(const Options&, double, double) { return 0.5F; }
#else
  AGMOHD_HD static double row_factor(const Options&, double, double) { return 0.5; }
#endif
};
static_assert(Recipe<rule::SGD, Halved>::rows);
