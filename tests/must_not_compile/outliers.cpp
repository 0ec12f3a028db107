// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// Outliers that the backends would not find: the filter would silently do nothing.
// must say: outliers is not gradient::Outliers outliers(options,

#include <agmohd/recipes.hpp>

using namespace agmohd;

struct Wider : gradient::MedianFilter {
  static const char* name() { return "Wider"; }
#ifdef MUST_NOT_COMPILE
  AGMOHD_HD static gradient::Outliers outliers(const Options&, double median, double deviation) {
    return {median + 10 * deviation, median};
  }
#else
  AGMOHD_HD static gradient::Outliers outliers(const Options&, double median, double deviation,
                                               std::int64_t) {
    return {median + 10 * deviation, median};
  }
#endif
};
static_assert(Recipe<rule::SGD, Wider>::filters);
