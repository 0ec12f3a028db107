// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// A row_shift that the backends would not call: it would silently do nothing.
// must say: row_shift is not double row_shift(options, double sum,

#include <agmohd/recipes.hpp>

using namespace agmohd;

struct Halved : gradient::Centralize {
  static const char* name() { return "Halved"; }
#ifdef MUST_NOT_COMPILE
  AGMOHD_HD static double row_shift(const Options&, double sum) { return sum / 2; }
#else
  AGMOHD_HD static double row_shift(const Options&, double sum, std::int64_t length, std::int64_t) {
    return sum / double(2 * length);
  }
#endif
};
static_assert(Recipe<rule::SGD, Halved>::shifts_rows);
