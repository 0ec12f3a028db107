// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// Options: their setters, and how groups inherit them.

#include <gtest/gtest.h>

#include <agmohd/recipes.hpp>
#include <agmohd/torch/options.hpp>
#include <stdexcept>
#include <string>
#include <tuple>
#include <utility>

namespace {

using namespace agmohd;

using Rich = Recipe<rule::AdamW, gradient::Chain<gradient::ClipByValue, gradient::ClipByNorm>,
                    schedule::Warmup<schedule::Cosine>>;
using RichOptions = Options<Rich>;
using AdamWOptions = Options<recipe::AdamW>;

TEST(Options, SettersChainAndGettersRead) {
  AdamWOptions options =
      AdamWOptions(0.5).betas({0.8, 0.9}).eps(1e-6).weight_decay(0.1).amsgrad(true);
  options.maximize(true);
  EXPECT_EQ(options.lr(), 0.5);
  EXPECT_EQ(options.betas(), std::make_tuple(0.8, 0.9));
  EXPECT_EQ(options.eps(), 1e-6);
  EXPECT_EQ(options.weight_decay(), 0.1);
  EXPECT_TRUE(options.amsgrad() && options.maximize());
  options.lr() = 0.25;  // a reference, as torch.optim's
  EXPECT_EQ(std::as_const(options).lr(), 0.25);
  EXPECT_EQ(options.get_lr(), 0.25);
  options.set_lr(0.125);
  EXPECT_EQ(options.lr(), 0.125);
  EXPECT_EQ(AdamWOptions().lr(), 1e-3);
  EXPECT_EQ(options.group().rule.betas.second, 0.9);
}

TEST(Options, AllPoliciesByNameOrWhole) {
  const auto named =
      RichOptions(0.1).max_value(2).max_norm(3).warmup_steps(4).total_steps(50).min_factor(0.5);
  const auto whole = RichOptions(0.1)
                         .set<gradient::ClipByValue>({2})
                         .set<gradient::ClipByNorm>({3})
                         .set<schedule::Cosine>({.total_steps = 50, .min_factor = 0.5})
                         .warmup_steps(4)
                         .weight_decay(0.01);
  EXPECT_EQ(named, whole);
  EXPECT_EQ(named.get<"max_norm">(), 3);
  EXPECT_EQ(named.shared().gradient.rest.head.max_norm, 3);
  EXPECT_EQ(named.shared().schedule.after.total_steps, 50);
  auto changed = named;
  changed.set<"total_steps">(60).get<"eps">() = 1e-4;
  EXPECT_EQ(changed.total_steps(), 60);
  EXPECT_EQ(changed.eps(), 1e-4);
  EXPECT_FALSE(changed == named);
  EXPECT_TRUE(changed.eps(1e-8).total_steps(50) == named);
}

TEST(Options, OfAPolicyAreFoundWhereItStands) {
  using R = Recipe<rule::SGD, gradient::AdaptiveClip, gradient::ClipByNorm,
                   schedule::Plateau<schedule::Warmup<schedule::Cosine>>>;
  const auto options = Options<R>(0.1)
                           .set<gradient::ClipByNorm>({.max_norm = 5})
                           .set<schedule::Cosine>({.total_steps = 60})
                           .set<schedule::Warmup<schedule::Cosine>>({.warmup_steps = 7})
                           .set<rule::SGD>({.momentum = 0.5});
  const auto shared = options.shared();
  EXPECT_EQ(shared.gradient.head.max_norm, gradient::AdaptiveClip::Options{}.max_norm);
  EXPECT_EQ(shared.gradient.rest.head.max_norm, 5);
  EXPECT_EQ(shared.schedule.patience, 10);
  EXPECT_EQ(shared.schedule.schedule.warmup_steps, 7);
  EXPECT_EQ(shared.schedule.schedule.after.total_steps, 60);
  EXPECT_EQ(options.momentum(), 0.5);
  // What is at the policy's default counts as not named.
  const auto decayed = Options<R>(0.1).weight_decay(0.2).set<rule::SGD>({.weight_decay = 0});
  EXPECT_EQ(decayed.weight_decay(), 0.2);
}

TEST(Options, WholePoliciesKeepTheLearningRateAndOneAnother) {
  const auto options = RichOptions(0.1).max_norm(3).betas({0.5, 0.6});
  EXPECT_EQ(options.lr(), 0.1);
  EXPECT_EQ(options.max_norm(), 3);
  EXPECT_EQ(options.betas(), std::make_tuple(0.5, 0.6));
  EXPECT_EQ(options.weight_decay(), 0.01);
}

TEST(Options, UnsetFieldsOfAGroupFollowTheOptimizer) {
  const auto defaults = AdamWOptions(0.5).betas({0.8, 0.9}).weight_decay(0.3).amsgrad(true);
  AdamWOptions group(0.25);
  group.eps() = 1e-5;  // through a reference counts as set
  group.inherit(defaults);
  EXPECT_EQ(group.lr(), 0.25);
  EXPECT_EQ(group.eps(), 1e-5);
  EXPECT_EQ(group.betas(), std::make_tuple(0.8, 0.9));
  EXPECT_EQ(group.weight_decay(), 0.3);
  EXPECT_TRUE(group.amsgrad());
}

TEST(Options, FieldsSetToTheirDefaultsAreSet) {
  const auto defaults =
      AdamWOptions(0.5).betas({0.8, 0.9}).weight_decay(0.3).amsgrad(true).eps(1e-4);
  AdamWOptions group =
      AdamWOptions(1e-3).betas({0.9, 0.999}).weight_decay(1e-2).amsgrad(false).eps(1e-8);
  const AdamWOptions before = group;
  group.inherit(defaults);
  EXPECT_EQ(group, before);
  AdamWOptions empty;
  empty.set_lr(1e-3);
  empty.inherit(defaults);
  EXPECT_EQ(empty.lr(), 1e-3);
  EXPECT_EQ(empty.weight_decay(), 0.3);
}

TEST(Options, OptionsOfTheOptimizerAsAWholeAreAnErrorInAGroup) {
  const auto defaults = RichOptions(0.5).max_norm(2).total_steps(100);
  const auto complaint_of = [&](RichOptions group) -> std::string {
    try {
      group.inherit(defaults);
    } catch (const std::invalid_argument& error) {
      return error.what();
    }
    return "none";
  };
  EXPECT_EQ(complaint_of(RichOptions(0.1).max_norm(3)),
            "max_norm was set for one parameter group, but it belongs to the optimizer as a whole: "
            "set it in the optimizer's options");
  EXPECT_NE(complaint_of(RichOptions().warmup_steps(5)).find("warmup_steps"), std::string::npos);
  EXPECT_NE(complaint_of(RichOptions().max_norm(1)).find("max_norm"), std::string::npos);
  RichOptions by_reference;
  by_reference.total_steps() = 7;
  EXPECT_NE(complaint_of(by_reference).find("total_steps"), std::string::npos);
  EXPECT_EQ(complaint_of(RichOptions(0.1).weight_decay(0.5)), "none");
  EXPECT_EQ(complaint_of(RichOptions(defaults).lr(0.1)), "none");  // the optimizer's own, changed
}

template <class O>
concept HasMomentum = requires(O options) {
  options.momentum(0.9);
};
template <class O>
concept HasBetas = requires(O options) {
  options.betas({0.9, 0.99});
};
template <class O>
concept HasMaxNorm = requires(O options) {
  options.max_norm(1.0);
};
template <class O>
concept HasTotalSteps = requires(O options) {
  options.total_steps(1);
};
static_assert(HasMomentum<Options<recipe::SGD>> && !HasMomentum<AdamWOptions>);
static_assert(HasBetas<AdamWOptions> && !HasBetas<Options<recipe::SGD>>);
static_assert(HasMaxNorm<RichOptions> && !HasMaxNorm<AdamWOptions>);
static_assert(HasTotalSteps<RichOptions> && !HasTotalSteps<AdamWOptions>);

}  // namespace
