// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

#include <agmohd/rule/adopt.hpp>
#include <vector>

#include "../contract/rule.hpp"

using namespace agmohd;

template <>
struct contract::Sample<rule::ADOPT> {
  static constexpr const char* golden = "adopt";
  static std::vector<rule::ADOPT::Options> options() {
    return {{},
            {.betas = {0.8, 0.95}, .eps = 1e-3, .weight_decay = 0.1},
            {.clip_exp = 0.1, .weight_decay = 0.1, .decoupled_weight_decay = true},
            {.clip_exp = 2000, .maximize = true}};
  }
  /// The first gradient does not move p.
  static double first(const rule::ADOPT::Options&, double /*lr*/, double p, double /*g*/) {
    return p;
  }
};

INSTANTIATE_TYPED_TEST_SUITE_P(ADOPT, RuleContract, rule::ADOPT);

TEST(ADOPT, DividesByTheRootBeforeTheStepAndClips) {
  const rule::ADOPT::Options options{
      .betas = {0, 0.5}, .weight_decay = 0.5, .decoupled_weight_decay = true};
  std::vector<std::vector<double>> gradients{{2, 2}, {1, -50}};
  const auto second =
      contract::drive<Recipe<rule::ADOPT>, double>({0.5, options}, {1, 1}, gradients);
  EXPECT_EQ(second, (std::vector<double>{0.75 - 0.5 * 0.5, 0.75 + 0.5, 0.5, -1, 2.5, 1252}));
  gradients.assign(16, {1, 1});
  gradients.push_back({1, 50});
  const auto later = contract::drive<Recipe<rule::ADOPT>, double>({0, options}, {1, 1}, gradients);
  EXPECT_EQ(later[2], 1);
  EXPECT_NEAR(later[3], 2, 1e-14);  // 16^0.25
}
