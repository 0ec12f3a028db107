// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

#include <agmohd/rule/ademamix.hpp>
#include <cmath>
#include <vector>

#include "../contract/rule.hpp"

using namespace agmohd;

template <>
struct contract::Sample<rule::AdEMAMix> {
  static constexpr const char* golden = "ademamix";
  static std::vector<rule::AdEMAMix::Options> options() {
    return {{},
            {.betas = {0.8, 0.99}, .beta3 = 0.99, .alpha = 2, .eps = 1e-6},
            {.beta3 = 0.999, .alpha = 1, .t_alpha = 100, .t_beta3 = 200, .weight_decay = 0.1},
            {.betas = {0.0, 0.9}, .beta3 = 0.9, .t_beta3 = 50, .maximize = true}};
  }
  static double first(const rule::AdEMAMix::Options& o, double lr, double p, double g) {
    const double h = o.maximize ? -g : g;
    const double alpha = o.t_alpha > 0 ? o.alpha / double(o.t_alpha) : o.alpha;
    const double slow = (1 - rule::AdEMAMix::beta3(o, 1)) * h;
    return p * (1 - lr * o.weight_decay) - lr * (h + alpha * slow) / (std::fabs(h) + o.eps);
  }
};

INSTANTIATE_TYPED_TEST_SUITE_P(AdEMAMix, RuleContract, rule::AdEMAMix);

TEST(AdEMAMix, SchedulersAreThePapers) {
  const rule::AdEMAMix::Options o{.alpha = 8, .t_alpha = 50, .t_beta3 = 200};
  EXPECT_EQ(rule::AdEMAMix::alpha(o, 1), 8.0 / 50);
  EXPECT_EQ(rule::AdEMAMix::alpha(o, 25), 4);
  EXPECT_EQ(rule::AdEMAMix::alpha(o, 50), 8);
  EXPECT_EQ(rule::AdEMAMix::alpha(o, 51), 8);
  double last = 0.9;
  for (std::int64_t t = 1; t < 200; ++t) {
    const double part = double(t) / 200, from = std::log(0.9), to = std::log(0.9999);
    const double beta3 = rule::AdEMAMix::beta3(o, t);
    EXPECT_NEAR(beta3, std::exp(from * to / ((1 - part) * to + part * from)), 1e-14) << t;
    EXPECT_GT(beta3, last);
    last = beta3;
  }
  EXPECT_EQ(rule::AdEMAMix::beta3(o, 200), 0.9999);
  EXPECT_EQ(rule::AdEMAMix::beta3(o, 1000), 0.9999);
  EXPECT_EQ(rule::AdEMAMix::beta3({.betas = {0, 0.9}, .beta3 = 0, .t_beta3 = 9}, 5), 0);
  EXPECT_EQ(rule::AdEMAMix::beta3({.beta3 = 0.5, .t_beta3 = 9}, 1), 0.5);
}
