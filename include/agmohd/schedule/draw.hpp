// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <locale>
#include <sstream>
#include <string>
#include <vector>

#include "function.hpp"

// Schedules as a table or a picture. On the host, for programs.
namespace agmohd::schedule {

/// A schedule under a name.
struct Drawn {
  std::string name;
  Function factor;
};

/// Factors in columns, a step a line, tabs between, with a line of names above: of steps 0,
/// `every`, 2 every, ... below `steps`.
inline std::string table(const std::vector<Drawn>& all, std::int64_t steps,
                         std::int64_t every = 1) {
  std::ostringstream out;
  out.imbue(std::locale::classic());
  out.precision(17);
  out << "step";
  for (const Drawn& one : all) out << '\t' << one.name;
  for (std::int64_t t = 0; t < steps; t += std::max<std::int64_t>(every, 1)) {
    out << '\n' << t;
    for (const Drawn& one : all) out << '\t' << one.factor(t);
  }
  out << '\n';
  return out.str();
}

namespace detail {

/// With what XML reserves replaced.
inline std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    out += c == '&' ? "&amp;" : c == '<' ? "&lt;" : c == '>' ? "&gt;" : std::string(1, c);
  }
  return out;
}

/// Without points so that the lines between those that stay are within 0.1 of those that go.
inline std::vector<Pair> thinned(const std::vector<Pair>& points) {
  std::vector<Pair> out;
  std::size_t kept = 0;
  for (std::size_t i = 0; i < points.size(); ++i) {
    bool needed = i == 0 || i + 1 == points.size();
    for (std::size_t j = kept + 1; !needed && j <= i; ++j) {
      const Pair &a = points[kept], &b = points[j], &c = points[i + 1];
      const double dx = c.first - a.first, dy = c.second - a.second;
      const double off = dx * (b.second - a.second) - dy * (b.first - a.first);
      needed = off * off > 0.01 * (dx * dx + dy * dy);
    }
    if (!needed) continue;
    out.push_back(points[i]);
    kept = i;
  }
  return out;
}

}  // namespace detail

/// An SVG image: a picture for each schedule, `columns` beside each other, of its factor at steps 0
/// to `steps` - 1, from 0 to the largest factor of all, or to 1. Where several steps fall on a
/// pixel, it shows the smallest and the largest factor.
inline std::string svg(const std::vector<Drawn>& all, std::int64_t steps, int columns = 4) {
  constexpr int kWidth = 200, kHeight = 80, kGap = 16, kTitle = 20;
  columns = std::max(1, columns);
  steps = std::max<std::int64_t>(steps, 2);
  double highest = 1;
  for (const Drawn& one : all) {
    for (std::int64_t t = 0; t < steps; ++t) highest = std::max(highest, one.factor(t));
  }
  const int rows = (int(all.size()) + columns - 1) / columns;
  std::ostringstream out;
  out.imbue(std::locale::classic());
  out.precision(1);
  out << std::fixed << "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\""
      << columns * (kWidth + kGap) + kGap << "\" height=\""
      << rows * (kHeight + kTitle + kGap) + kGap
      << "\" font-family=\"sans-serif\" font-size=\"12\">\n"
      << "<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n";
  for (std::size_t i = 0; i < all.size(); ++i) {
    const int left = kGap + int(i) % columns * (kWidth + kGap);
    const int top = kGap + int(i) / columns * (kHeight + kTitle + kGap) + kTitle;
    std::vector<Pair> points;
    const auto add = [&](std::int64_t t) {
      points.push_back({left + double(t) / double(steps - 1) * kWidth,
                        top + kHeight * (1 - all[i].factor(t) / highest)});
    };
    const std::int64_t wide = std::max<std::int64_t>(1, steps / kWidth);
    for (std::int64_t begin = 0; begin < steps; begin += wide) {
      std::int64_t low = begin, high = begin;
      for (std::int64_t t = begin; t < std::min(begin + wide, steps); ++t) {
        if (all[i].factor(t) < all[i].factor(low)) low = t;
        if (all[i].factor(t) > all[i].factor(high)) high = t;
      }
      add(std::min(low, high));
      if (low != high) add(std::max(low, high));
    }
    out << "<text x=\"" << left << "\" y=\"" << top - 6 << "\" fill=\"#1a202c\">"
        << detail::escaped(all[i].name) << "</text>\n<rect x=\"" << left << "\" y=\"" << top
        << "\" width=\"" << kWidth << "\" height=\"" << kHeight
        << "\" fill=\"none\" stroke=\"#cbd5e0\"/>\n<polyline fill=\"none\" stroke=\"#2b6cb0\" "
           "stroke-width=\"1.5\" points=\"";
    const char* before = "";
    for (const Pair& point : detail::thinned(points)) {
      out << before << point.first << ',' << point.second;
      before = " ";
    }
    out << "\"/>\n";
  }
  out << "</svg>\n";
  return out.str();
}

}  // namespace agmohd::schedule
