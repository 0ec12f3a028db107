// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

#include <agmohd/rule/radam_schedule_free.hpp>
#include <stdexcept>
#include <vector>

#include "../contract/rule.hpp"

using namespace agmohd;

template <>
struct contract::Sample<rule::RAdamScheduleFree> {
  static constexpr const char* golden = "unscheduled";
  static constexpr bool remembers_rate = true;
  static std::vector<rule::RAdamScheduleFree::Options> options() {
    return {
        {},
        {.betas = {0.5, 0.9}, .eps = 1e-3, .weight_decay = 0.1, .r = 2, .silent_sgd_phase = false},
        {.betas = {0.95, 0.99}, .weight_lr_power = 0, .maximize = true}};
  }
  static double first(const rule::RAdamScheduleFree::Options& o, double lr, double p, double g) {
    return o.silent_sgd_phase ? p : p - lr * ((o.maximize ? -g : g) + o.weight_decay * p);
  }
};

INSTANTIATE_TYPED_TEST_SUITE_P(RAdamScheduleFree, RuleContract, rule::RAdamScheduleFree);

TEST(RAdamScheduleFree, RefusesDecaysWithWhichItWouldNeverMove) {
  using Rule = rule::RAdamScheduleFree;
  EXPECT_THROW(check<Rule>({.betas = {0.9, 0.6}}), std::invalid_argument);
  EXPECT_THROW(check<Rule>({.betas = {0.9, 0.0}}), std::invalid_argument);
  check<Rule>({.betas = {0.9, 0.61}});
  check<Rule>({.betas = {0.9, 0.6}, .silent_sgd_phase = false});
}
