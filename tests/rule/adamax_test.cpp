// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

#include <agmohd/rule/adamax.hpp>
#include <vector>

#include "../contract/rule.hpp"
#include "first_step.hpp"

using namespace agmohd;

template <>
struct contract::Sample<rule::Adamax> {
  static constexpr const char* golden = "adamax";
  static std::vector<rule::Adamax::Options> options() {
    return {{},
            {.betas = {0.8, 0.99}, .eps = 1e-3, .weight_decay = 0.1},
            {.betas = {0.0, 0.9}, .maximize = true}};
  }
  static double first(const rule::Adamax::Options& o, double lr, double p, double g) {
    return p - lr * adam_direction((o.maximize ? -g : g) + o.weight_decay * p, o.eps);
  }
};

INSTANTIATE_TYPED_TEST_SUITE_P(Adamax, RuleContract, rule::Adamax);

TEST(Adamax, TheNormIsADecayingMaximum) {
  const auto out = contract::drive<Recipe<rule::Adamax>, double>(
      {0.01, {.betas = {0.9, 0.5}, .eps = 0}}, {0}, {{-8}, {3}, {1.5}});
  EXPECT_EQ(out[2], 2);  // 8, 4, 2
}
