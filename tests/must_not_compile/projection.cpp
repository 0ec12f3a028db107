// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// A projection that the backends would not call: it would silently do nothing.
// must say: projection is not gradient::Projection projection(options,

#include <agmohd/recipes.hpp>

using namespace agmohd;

struct Halved : gradient::Orthogonal {
  static const char* name() { return "Halved"; }
#ifdef MUST_NOT_COMPILE
  AGMOHD_HD static double projection(const Options&, double p2, double pg, double) {
    return pg / p2 / 2;
  }
#else
  AGMOHD_HD static gradient::Projection projection(const Options&, double p2, double pg, double) {
    return {pg / p2 / 2, 1};
  }
#endif
};
static_assert(Recipe<rule::SGD, Halved>::projects);
