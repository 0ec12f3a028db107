// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

#include <agmohd/recipes.hpp>
#include <agmohd/rule/adamc.hpp>
#include <agmohd/rule/eva.hpp>
#include <agmohd/rule/noise_filter.hpp>
#include <agmohd/rule/stable_adamw.hpp>
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

TEST(NoiseFilter, ShrinksWhereTheMeanIsSmall) {
  const auto o = noise_filter::options({.betas = {0.5, 0.5}, .eps = 0, .weight_decay = 0}, 0.5);
  const std::vector<std::vector<double>> gradients{{1, 1}, {-1, 1}};
  const auto got = contract::drive<Recipe<noise_filter::Rule>, double>({1, o}, {0, 0}, gradients);
  // Means 1 and -1/3, and 1 and 1, of roots 1: r / level is 2/3 in the second step of the first.
  EXPECT_DOUBLE_EQ(got[0], -1 + 2.0 / 9);
  EXPECT_DOUBLE_EQ(got[1], -2);
}

/// With level 0 a rule by itself, with level 1 another one, where gradients disagree.
template <class R>
void expect_filter_around() {
  using Filter = rule::NoiseFilter<R>;
  SCOPED_TRACE(Filter::name());
  const std::vector<std::vector<double>> gradients{{1, -2, 0}, {-3, 0.5, 0}, {0.25, -1, 1e-300}};
  typename Filter::Options o;
  o.betas = {0.8, 0.9}, o.weight_decay = 0;
  const typename R::Options own = o;
  const auto plain = contract::drive<Recipe<R>, double>({0.1, own}, {1, 2, 3}, gradients);
  o.noise.noise_level = 0;
  EXPECT_EQ((contract::drive<Recipe<Filter>, double>({0.1, o}, {1, 2, 3}, gradients)), plain);
  o.noise.noise_level = 1;
  const auto shrunk = contract::drive<Recipe<Filter>, double>({0.1, o}, {1, 2, 3}, gradients);
  EXPECT_NE(shrunk[0], plain[0]);
  for (std::size_t i = 3; i < plain.size(); ++i) EXPECT_EQ(shrunk[i], plain[i]);  // the state
}
TEST(NoiseFilter, StandsAroundRulesWithAdamsMoments) {
  expect_filter_around<rule::Adam>();
  expect_filter_around<rule::AdamW>();
  expect_filter_around<rule::AdamC>();
  expect_filter_around<rule::EVA>();
  expect_filter_around<rule::StableAdamW>();
}

/// Detectors see the update that is taken: the backends agree, and the step is skipped where a
/// gradient is not finite.
TEST(NoiseFilter, WithinAGMOHD) {
  using Hindered = Optimizer<recipe::Hindered<noise_filter::Rule>>;
  const auto options = Hindered::Options(1e-2).set<"noise_level">(0.5);
  std::vector<at::Tensor> params = contract::parameters(at::kFloat), others;
  for (const at::Tensor& p : params) others.push_back(p.detach().clone().requires_grad_());
  Hindered mine(params, options), reference(others, options);
  reference.use_tensor_backend();
  for (std::int64_t step = 0; step < 6; ++step) {
    contract::set_gradients(params, step, 1);
    if (step == 4) params[0].mutable_grad().fill_(NAN);
    contract::set_gradients(others, step, 1);
    if (step == 4) others[0].mutable_grad().fill_(NAN);
    mine.step();
    reference.step();
    for (std::size_t i = 0; i < params.size(); ++i) {
      EXPECT_TRUE(at::allclose(params[i], others[i], 1e-5, 1e-6)) << step << " " << i;
    }
  }
  EXPECT_EQ(mine.updates(), 5);
  EXPECT_EQ(reference.updates(), 5);
}

TEST(NoiseFilter, HasTheStateOfItsRule) {
  EXPECT_EQ(noise_filter::Rule::name(), "NoiseFilter<AdamW>");
  EXPECT_EQ(rule::NoiseFilter<rule::EVA>::name(), "NoiseFilter<EVA>");
  EXPECT_EQ(noise_filter::Rule::fields.size, rule::AdamW::fields.size + 1);
  EXPECT_EQ(noise_filter::Rule::slots({}), rule::AdamW::slots({}));
}
