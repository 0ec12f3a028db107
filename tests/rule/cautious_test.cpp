// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

#include <agmohd/rule/cautious.hpp>
#include <agmohd/rule/sgd.hpp>
#include <limits>
#include <stdexcept>
#include <vector>

#include "../contract/rule.hpp"
#include "cautious_recipes.hpp"
#include "first_step.hpp"

using namespace agmohd;

template <>
struct contract::Sample<rule::Cautious<rule::AdamW>> {
  static constexpr const char* golden = "cautious";
  static std::vector<rule::AdamW::Options> options() {
    return {{},
            {.betas = {0.8, 0.99}, .eps = 1e-3, .weight_decay = 0.1},
            {.betas = {0.0, 0.9}, .amsgrad = true, .maximize = true}};
  }
  /// Every first update agrees with its gradient.
  static double first(const rule::AdamW::Options& o, double lr, double p, double g) {
    return p * (1 - lr * o.weight_decay) - lr * adam_direction(o.maximize ? -g : g, o.eps);
  }
};
template <>
struct contract::Sample<rule::Cautious<rule::Lion>> {
  static constexpr const char* golden = "cautious";
  static std::vector<rule::Lion::Options> options() {
    return {
        {}, {.betas = {0.8, 0.95}, .weight_decay = 0.1}, {.betas = {0.0, 0.5}, .maximize = true}};
  }
  static double first(const rule::Lion::Options& o, double lr, double p, double g) {
    const double u = (g > 0) == o.maximize ? -1 : 1;
    return p * (1 - lr * o.weight_decay) - lr * u;
  }
};

INSTANTIATE_TYPED_TEST_SUITE_P(CautiousAdamW, RuleContract, rule::Cautious<rule::AdamW>);
INSTANTIATE_TYPED_TEST_SUITE_P(CautiousLion, RuleContract, rule::Cautious<rule::Lion>);

TEST(Cautious, MasksWhatDisagreesAndScalesTheRest) {
  using Recipe = agmohd::Recipe<rule::Cautious<rule::SGD>>;
  const rule::SGD::Options options{.momentum = 0.5};
  const auto end = contract::drive<Recipe, double>({1, options}, {0, 0}, {{1, 1}, {1, -0.25}});
  // The buffers are 1.5 and 0.25; the second one disagrees, and half of the tensor is left.
  EXPECT_EQ(end, (std::vector<double>{-1 - 1.5 / 0.5, -1, 1.5, 0.25}));
}

TEST(Cautious, LionScalesByThePartThatAgrees) {
  using Recipe = agmohd::Recipe<rule::Cautious<rule::Lion>>;
  const rule::Lion::Options options{.betas = {0.5, 0.5}};
  const auto end = contract::drive<Recipe, double>({1, options}, {0, 0}, {{1, 1}, {1, -0.25}});
  // The updates are the signs of 0.75 and 0.125.
  EXPECT_EQ(end, (std::vector<double>{-1 - 1 / 0.5, -1, 0.75, 0.125}));
}

TEST(Cautious, DecoupledWeightDecayIsNotMasked) {
  using Recipe = agmohd::Recipe<rule::Cautious<rule::AdamW>>;
  const rule::AdamW::Options options{.weight_decay = 0.5};
  const auto end = contract::drive<Recipe, double>({0.1, options}, {1}, {{1}, {-0.1}});
  EXPECT_NEAR(end[0], (1 * 0.95 - 0.1) * 0.95, 1e-8);
}

TEST(Cautious, ThePartIsAtLeastAThousandth) {
  using Rule = rule::Cautious<rule::AdamW>;
  EXPECT_EQ(Rule::second({}, 4000, 1), 1000);
  EXPECT_EQ(Rule::second({}, 4000, 1000), 4);
  EXPECT_EQ(Rule::second({}, 0, 0), 1);
}

TEST(Cautious, ComparesSignsWhereAProductWouldUnderflow) {
  const float tiny = std::numeric_limits<float>::denorm_min(), zero = 0;
  EXPECT_EQ(rule::detail::agreeing(tiny, tiny), tiny);
  EXPECT_EQ(rule::detail::agreeing(tiny, -tiny), 0);
  EXPECT_EQ(rule::detail::agreeing(tiny, zero), 0);
  EXPECT_EQ(rule::detail::agreeing(-tiny, -tiny), -tiny);
}

TEST(Cautious, RefusesARuleWithoutMomentum) {
  EXPECT_THROW(check<rule::Cautious<rule::SGD>>({}), std::invalid_argument);
  check<rule::Cautious<rule::SGD>>({.momentum = 0.9});
}
