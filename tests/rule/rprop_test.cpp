// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

#include <agmohd/rule/rprop.hpp>
#include <algorithm>
#include <cmath>
#include <vector>

#include "../contract/rule.hpp"

using namespace agmohd;

template <>
struct contract::Sample<rule::Rprop> {
  static constexpr const char* golden = "rprop";
  static std::vector<rule::Rprop::Options> options() {
    return {{},
            {.etas = {0.25, 1.5}, .step_sizes = {1e-3, 0.1}},
            {.step_sizes = {0.02, 1}, .maximize = true}};
  }
  static double first(const rule::Rprop::Options& o, double lr, double p, double g) {
    const double size = std::clamp(lr, o.step_sizes.first, o.step_sizes.second);
    return (g > 0) == o.maximize ? p + size : p - size;
  }
};

INSTANTIATE_TYPED_TEST_SUITE_P(Rprop, RuleContract, rule::Rprop);

TEST(Rprop, GrowsShrinksAndRests) {
  // Five elements, three steps: the sign stays, changes, changes and stays, rests, does not exist.
  const auto out = contract::drive<Recipe<rule::Rprop>, double>(
      {0.5, {.etas = {0.5, 2}, .step_sizes = {0.1, 1.5}}}, {0, 0, 0, 0, 0},
      {{1, 1, 1, 1, 0}, {3, -2, -2, 0, 0}, {2, -2, 4, 1, 0}});
  const std::vector<double> p(out.begin(), out.begin() + 5),
      prev(out.begin() + 5, out.begin() + 10), step_size(out.begin() + 10, out.end());
  EXPECT_EQ(p, (std::vector<double>{-0.5 - 1 - 1.5, -0.5 + 0.25, -0.5 - 0.25, -0.5 - 0.5, 0}));
  EXPECT_EQ(prev, (std::vector<double>{2, -2, 4, 1, 0}));
  EXPECT_EQ(step_size, (std::vector<double>{1.5, 0.25, 0.25, 0.5, 0.5}));
}

TEST(Rprop, TheRateIsTheFirstStepSize) {
  for (const bool first : {true, false}) {
    const auto k = [&] {
      rule::Rprop::Memory memory{};
      return rule::Rprop::at<double>({}, {first ? 1 : 2, 0.3, {0, 0}}, memory);
    }();
    rule::Rprop::Slots<double> s{1, 0.1};
    rule::Rprop::update(0.0, 0.0, s, k);
    EXPECT_EQ(s.step_size, first ? 0.3 : 0.1);
  }
}

TEST(Rprop, RefusesFactorsAndSizesOutOfOrder) {
  EXPECT_NE(contract::message<rule::Rprop>({.etas = {1, 1.2}}).find("etas = (1, 1.2)"),
            std::string::npos);
  EXPECT_NE(contract::message<rule::Rprop>({.etas = {0.5, 1}}).find("etas = (0.5, 1)"),
            std::string::npos);
  EXPECT_NE(contract::message<rule::Rprop>({.step_sizes = {2, 1}}).find("step_sizes = (2, 1)"),
            std::string::npos);
}
