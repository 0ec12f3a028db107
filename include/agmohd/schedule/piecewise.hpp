// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "../policy/field.hpp"
#include "../policy/list.hpp"
#include "../policy/number.hpp"
#include "schedule.hpp"

namespace agmohd::schedule {

enum class Interpolation : std::int64_t { linear, constant };

/// Through points (step, factor), by lines or in stairs: the first one's factor before it, the last
/// one's after it.
struct Piecewise {
  struct Options {
    List<Pair, 16> points{};  ///< (step, factor), at least one, steps rising
    Interpolation interpolation = Interpolation::linear;  ///< a line, or the last point's factor
  };
  static constexpr auto fields =
      describe(field("points", &Options::points, at_least(0)),
               field("interpolation", &Options::interpolation, choices("linear", "constant")));
  static const char* name() { return "Piecewise"; }
  static void check(const Options& o) {
    if (o.points.size == 0) refuse("points is empty, but it needs at least one (step, factor)");
    for (std::int64_t i = 1; i < o.points.count(); ++i) {
      if (o.points.values[i].first > o.points.values[i - 1].first) continue;
      refuse("points[", i, "] is at step ", o.points.values[i].first,
             ", but it must be after step ", o.points.values[i - 1].first, " of the one before");
    }
  }

  AGMOHD_HD static double factor(const Options& o, std::int64_t t) {
    const Pair* const points = o.points.values;
    const double s = double(t);
    std::int64_t next = 0;
    while (next < o.points.count() && points[next].first <= s) ++next;
    if (next == 0) return points[0].second;
    const Pair &a = points[next - 1], &b = points[next];
    if (next == o.points.count() || o.interpolation == Interpolation::constant) return a.second;
    return a.second + (b.second - a.second) * ((s - a.first) / (b.first - a.first));
  }
};
static_assert(Schedule<Piecewise>);

}  // namespace agmohd::schedule
