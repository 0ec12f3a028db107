// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

#include <gtest/gtest.h>

#include <agmohd/schedule/by_name.hpp>
#include <agmohd/schedule/draw.hpp>
#include <string>
#include <vector>

using namespace agmohd;

namespace {

TEST(Draw, TablesOfFactors) {
  const std::vector<schedule::Drawn> two{{"a", schedule::from_text("linear,total_steps=4")},
                                         {"b", schedule::from_text("step,step_size=2,gamma=0.5")}};
  EXPECT_EQ(schedule::table(two, 5, 2), "step\ta\tb\n0\t1\t1\n2\t0.5\t0.5\n4\t0\t0.25\n");
  EXPECT_EQ(schedule::table({}, 2), "step\n0\n1\n");
}

TEST(Draw, PicturesKeepTheCornersOfALine) {
  const schedule::Function factor = schedule::from_text("piecewise,points=0:1/50:0.5/51:1/100:0");
  const std::string svg = schedule::svg({{"Restart<Linear> & more", factor}}, 101);
  EXPECT_NE(svg.find(">Restart&lt;Linear&gt; &amp; more</text>"), std::string::npos) << svg;
  EXPECT_NE(svg.find("points=\"16.0,36.0 116.0,76.0 118.0,36.0 216.0,116.0\""), std::string::npos)
      << svg;
  // Of 100 steps a pixel, the one at which the factor is another.
  const schedule::Function spike = [](std::int64_t t) { return t == 9'950 ? 2.0 : 1.0; };
  EXPECT_NE(schedule::svg({{"spike", spike}}, 20'000).find(",36.0 "), std::string::npos);
}

}  // namespace
