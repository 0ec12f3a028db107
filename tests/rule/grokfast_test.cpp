// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

#include <agmohd/rule/grokfast.hpp>
#include <agmohd/rule/hyperball.hpp>
#include <agmohd/rule/lion.hpp>
#include <agmohd/rule/masked.hpp>
#include <agmohd/rule/sgd.hpp>
#include <string>
#include <vector>

#include "../contract/rule.hpp"
#include "cautious_recipes.hpp"
#include "first_step.hpp"

using namespace agmohd;

namespace grokfast {

/// The options of a rule with those of the filter.
template <class R>
typename rule::GrokFast<R>::Options options(const typename R::Options& own, double alpha = 0.98,
                                            double lamb = 2) {
  typename rule::GrokFast<R>::Options out;
  static_cast<typename R::Options&>(out) = own;
  out.filter = {alpha, lamb};
  return out;
}

}  // namespace grokfast

template <>
struct contract::Sample<rule::GrokFast<rule::AdamW>> {
  static constexpr const char* golden = "grokfast";
  using Options = rule::GrokFast<rule::AdamW>::Options;
  static std::vector<Options> options() {
    using rule::AdamW;
    return {{},
            grokfast::options<AdamW>({.betas = {0.8, 0.99}, .weight_decay = 0.1}, 0.5, 1),
            grokfast::options<AdamW>({.betas = {0.0, 0.9}, .amsgrad = true, .maximize = true}, 0)};
  }
  /// The mean begins with the gradient.
  static double first(const Options& o, double lr, double p, double g) {
    const double h = (o.maximize ? -g : g) * (1 + o.filter.grokfast_lamb);
    return p * (1 - lr * o.weight_decay) - lr * adam_direction(h, o.eps);
  }
};
template <>
struct contract::Sample<rule::GrokFast<rule::SGD>> {
  static constexpr const char* golden = "grokfast";
  static std::vector<rule::GrokFast<rule::SGD>::Options> options() {
    return {{}, grokfast::options<rule::SGD>({.momentum = 0.9, .nesterov = true}, 0.9, 0.5)};
  }
  static double first(const rule::GrokFast<rule::SGD>::Options& o, double lr, double p, double g) {
    return p - lr * g * (1 + o.filter.grokfast_lamb) * (o.nesterov ? 1 + o.momentum : 1);
  }
};
template <>
struct contract::Sample<rule::GrokFast<rule::Lion>> {
  static std::vector<rule::GrokFast<rule::Lion>::Options> options() {
    return {{}, grokfast::options<rule::Lion>({.weight_decay = 0.1}, 0.5)};
  }
};

INSTANTIATE_TYPED_TEST_SUITE_P(GrokFastAdamW, RuleContract, rule::GrokFast<rule::AdamW>);
INSTANTIATE_TYPED_TEST_SUITE_P(GrokFastSGD, RuleContract, rule::GrokFast<rule::SGD>);
INSTANTIATE_TYPED_TEST_SUITE_P(GrokFastLion, RuleContract, rule::GrokFast<rule::Lion>);

TEST(GrokFast, AmplifiesTheMeanOfGradients) {
  using Recipe = agmohd::Recipe<rule::GrokFast<rule::SGD>>;
  const auto o = grokfast::options<rule::SGD>({}, 0.5, 2);
  const auto end = contract::drive<Recipe, double>({1, o}, {0}, {{4}, {-2}});
  // The means are 4 and 1; the gradients become 12 and 0.
  EXPECT_EQ(end, (std::vector<double>{-12, 1}));
}

TEST(GrokFast, WithoutWeightIsItsRule) {
  const auto o = grokfast::options<rule::Lion>({.weight_decay = 0.1}, 0.5, 0);
  const std::vector<std::vector<double>> gradients{{1, -2}, {-3, 0.5}, {0.25, -1}};
  auto got =
      contract::drive<Recipe<rule::GrokFast<rule::Lion>>, double>({0.1, o}, {1, 2}, gradients);
  const auto want = contract::drive<Recipe<rule::Lion>, double>({0.1, o}, {1, 2}, gradients);
  got.resize(want.size());
  EXPECT_EQ(got, want);
}

/// The second sweep finds the slots as the first one left them.
TEST(GrokFast, MovesVectorsOfAHyperballAsByItself) {
  using Rule = rule::GrokFast<rule::AdamW>;
  const auto o = grokfast::options<rule::AdamW>({.weight_decay = 0.1}, 0.5, 2);
  const std::vector<std::vector<double>> gradients{{1, -2}, {-3, 0.5}, {0.25, -1}};
  const auto got =
      contract::drive<Recipe<rule::Hyperball<Rule>>, double>({0.1, o}, {1, 2}, gradients);
  EXPECT_EQ(got, (contract::drive<Recipe<Rule>, double>({0.1, o}, {1, 2}, gradients)));
  static_assert(has::stored<rule::Masked<Rule>> && !has::stored<rule::GrokFast<rule::SGD>>);
}

TEST(GrokFast, HasTheOptionsAndSlotsOfItsRule) {
  using Rule = rule::GrokFast<rule::AdamW>;
  EXPECT_EQ(Rule::name(), "GrokFast<AdamW>");
  EXPECT_EQ(rule::GrokFast<rule::SGD>::name(), "GrokFast<SGD>");
  EXPECT_EQ(Rule::fields.size, rule::AdamW::fields.size + 2);
  EXPECT_EQ(std::string(Rule::slot_names[1]), "exp_avg_sq");
  EXPECT_EQ(Rule::slots({}), 0b1011U);
}
