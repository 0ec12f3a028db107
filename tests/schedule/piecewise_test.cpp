// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

#include <agmohd/schedule/read_points.hpp>
#include <cstdint>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "../contract/schedule.hpp"
#include "../contract/trained.hpp"

using namespace agmohd;

template <>
struct contract::Sample<schedule::Piecewise> {
  using Options = schedule::Piecewise::Options;
  static std::vector<Options> options() {
    return {{.points = {{0, 0.25}, {4, 1}, {10, 0.5}, {11, 0}}},
            {.points = {{3, 1}, {8, 0.125}}, .interpolation = schedule::Interpolation::constant},
            {.points = {{6, 0.5}}}};
  }
  static long double expected(const Options& o, std::int64_t t) {
    const auto& points = o.points.values;
    if ((long double)t <= points[0].first) return points[0].second;
    for (std::int64_t i = 1; i < o.points.size; ++i) {
      const Pair &a = points[i - 1], &b = points[i];
      if ((long double)t >= b.first) continue;
      const long double x = ((long double)t - a.first) / (b.first - a.first);
      const bool stairs = o.interpolation == schedule::Interpolation::constant;
      return stairs ? a.second : a.second + (b.second - (long double)a.second) * x;
    }
    return points[o.points.size - 1].second;
  }
  static std::int64_t last(const Options& o) {
    return std::int64_t(o.points.values[o.points.size - 1].first);
  }
};

INSTANTIATE_TYPED_TEST_SUITE_P(Piecewise, ScheduleContract, schedule::Piecewise);

namespace {

TEST(Piecewise, ATrainingResumesWithItsPoints) {
  using Both = schedule::Product<schedule::Piecewise, schedule::MultiStep>;
  using Recipe = agmohd::Recipe<rule::SGD, Both>;
  contract::expect_resumes<Recipe>(
      contract::Trained<Recipe>::Options(0.5)
          .set<schedule::Piecewise>({.points = {{0, 0.25}, {4, 1}, {10, 0}}})
          .set<schedule::MultiStep>({.milestones = {2, 6}, .gamma = 0.5}),
      at::kFloat);
}

TEST(Piecewise, ReadsItsPointsFromLines) {
  std::istringstream file("step,factor\n0,1\r\n# a comment\n\n10, 0.5\n20,0\n");
  const auto points = schedule::read_points(file);
  EXPECT_TRUE(points.points == (List<Pair, 16>{{0, 1}, {10, 0.5}, {20, 0}}));
  const auto complaint = [](const std::string& text) -> std::string {
    try {
      std::istringstream lines(text);
      schedule::read_points(lines);
    } catch (const std::invalid_argument& error) {
      return error.what();
    }
    return "none";
  };
  EXPECT_EQ(complaint("0,1\n5"), "line 2 is \"5\", but it must be step,factor");
  EXPECT_EQ(complaint("0,1\nfive,1"), "line 2 = \"five\", but it must be a number");
  EXPECT_EQ(complaint("0,1\n5,-1"), "points[1][1] = -1, but it must be finite and at least 0");
  EXPECT_EQ(complaint(""), "points is empty, but it needs at least one (step, factor)");
  EXPECT_THROW(schedule::read_points("no such file"), std::invalid_argument);
}

}  // namespace
