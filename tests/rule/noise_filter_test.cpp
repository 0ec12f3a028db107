// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

#include <agmohd/rule/eva.hpp>
#include <agmohd/rule/noise_filter.hpp>
#include <cmath>
#include <string>
#include <vector>

#include "../contract/rule.hpp"
#include "cautious_recipes.hpp"
#include "first_step.hpp"

using namespace agmohd;

namespace noise_filter {

using Rule = rule::NoiseFilter<rule::AdamW>;

Rule::Options options(const rule::AdamW::Options& own, double level) {
  Rule::Options out;
  static_cast<rule::AdamW::Options&>(out) = own;
  out.noise.noise_level = level;
  return out;
}

}  // namespace noise_filter

template <>
struct contract::Sample<noise_filter::Rule> {
  static constexpr const char* golden = "noisefilter";
  static std::vector<noise_filter::Rule::Options> options() {
    return {{},
            noise_filter::options({.betas = {0.8, 0.99}, .eps = 1e-3, .weight_decay = 0.1}, 0.6),
            noise_filter::options({.betas = {0.0, 0.9}, .amsgrad = true, .maximize = true}, 1)};
  }
  /// After one step the mean is the whole root.
  static double first(const noise_filter::Rule::Options& o, double lr, double p, double g) {
    return p * (1 - lr * o.weight_decay) - lr * adam_direction(o.maximize ? -g : g, o.eps);
  }
};

INSTANTIATE_TYPED_TEST_SUITE_P(NoiseFilterAdamW, RuleContract, noise_filter::Rule);

TEST(NoiseFilter, ShrinksWhatStandsInItsNoise) {
  // Means 0.25 g and -0.25 g of the second step against roots of g.
  const auto o = noise_filter::options({.betas = {0.5, 0.5}, .eps = 0, .weight_decay = 0}, 0.5);
  const std::vector<std::vector<double>> gradients{{1, 1}, {-1, 1}};
  const auto got = contract::drive<Recipe<noise_filter::Rule>, double>({1, o}, {0, 0}, gradients);
  // exp_avg = 0.5, then -0.25 of which the correction makes -1/3; r / level = 2/3.
  EXPECT_DOUBLE_EQ(got[0], -1 + 2.0 / 9);
  EXPECT_DOUBLE_EQ(got[1], -2);
}

TEST(NoiseFilter, OfLevelZeroIsItsRule) {
  const rule::AdamW::Options own{.betas = {0.8, 0.9}, .weight_decay = 0.1};
  const auto o = noise_filter::options(own, 0);
  const std::vector<std::vector<double>> gradients{{1, -2, 0}, {-3, 0.5, 0}, {0.25, -1, 1e-300}};
  const auto got =
      contract::drive<Recipe<noise_filter::Rule>, double>({0.1, o}, {1, 2, 3}, gradients);
  EXPECT_EQ(got, (contract::drive<Recipe<rule::AdamW>, double>({0.1, own}, {1, 2, 3}, gradients)));
}

TEST(NoiseFilter, HasTheStateOfItsRule) {
  EXPECT_EQ(noise_filter::Rule::name(), "NoiseFilter<AdamW>");
  EXPECT_EQ(rule::NoiseFilter<rule::EVA>::name(), "NoiseFilter<EVA>");
  EXPECT_EQ(noise_filter::Rule::fields.size, rule::AdamW::fields.size + 1);
  EXPECT_EQ(noise_filter::Rule::slots({}), rule::AdamW::slots({}));
}
