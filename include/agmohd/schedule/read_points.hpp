// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fstream>
#include <istream>
#include <string>
#include <vector>

#include "function.hpp"
#include "piecewise.hpp"

namespace agmohd::schedule {

/// The points of a Piecewise from lines of `step,factor`. Empty lines, lines that begin with # and
/// a first line that begins with a letter are passed over. Throws std::invalid_argument that names
/// the line, or says what is wrong with the points.
inline Piecewise::Options read_points(std::istream& in) {
  Piecewise::Options options;
  std::string line;
  for (int number = 1; std::getline(in, line); ++number) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    const char first = line.empty() ? '#' : line.front();
    const bool letter = (first >= 'a' && first <= 'z') || (first >= 'A' && first <= 'Z');
    if (first == '#' || (number == 1 && letter)) continue;
    const std::vector<std::string> two = detail::split(line, ',');
    if (two.size() != 2) refuse("line ", number, " is \"", line, "\", but it must be step,factor");
    const std::string place = "line " + std::to_string(number);
    options.points.push_back(
        {detail::number_from<double>(place, two[0]), detail::number_from<double>(place, two[1])});
  }
  check<Piecewise>(options);
  return options;
}

/// The same from a file.
inline Piecewise::Options read_points(const std::string& path) {
  std::ifstream in(path);
  if (!in) refuse("the file ", path, " could not be read");
  return read_points(in);
}

}  // namespace agmohd::schedule
