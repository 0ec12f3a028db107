// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// From one recipe to another, and what a load changes.

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <agmohd/agmohd.hpp>

#include "../warnings.hpp"
#include "errors.hpp"
#include "runs.hpp"

namespace {

using namespace testing_checkpoints;

Tensors copies(const Tensors& params) {
  Tensors out;
  for (const at::Tensor& p : params) out.push_back(p.detach().clone().requires_grad_());
  return out;
}

TEST(Recipes, OfOneRuleReadEachOthersCheckpoints) {
  const Tensors whole = checkpoints::parameters();
  agmohd::AdamW adamw(whole, agmohd::AdamWOptions(0.01));
  checkpoints::run(adamw, whole, 0, 10);
  const Tensors params = copies(whole);
  agmohd::AGMOHD agmohd(params, agmohd::AGMOHDOptions(0.01).max_norm(1e6));
  {
    Warnings warnings;
    pass(adamw, agmohd);
    ASSERT_EQ(warnings.texts.size(), 1U);
    expect_in(warnings.texts[0], {"recipe AdamW/None", "AdamW/Detect", "begin anew"});
  }
  EXPECT_EQ(agmohd.updates(), 10);
  EXPECT_EQ(agmohd.tally().steps, 0);
  checkpoints::run(agmohd, params, 10, 15);
  agmohd::AdamW back(params, agmohd::AdamWOptions(0.01));
  {
    Warnings warnings;
    pass(agmohd, back);
    EXPECT_EQ(warnings.texts.size(), 1U);
  }
  EXPECT_EQ(back.updates(), 15);
  checkpoints::run(back, params, 15, 20);
  checkpoints::run(adamw, whole, 10, 20);
  for (std::size_t i = 0; i < params.size(); ++i) EXPECT_TRUE(at::equal(params[i], whole[i]));

  agmohd::SGD sgd(params, agmohd::SGDOptions(0.1));
  expect_error([&] { pass(adamw, sgd); }, {"AdamW/None", "SGD/None", "rules differ"});
}

TEST(Recipes, UpdatesCanBeSet) {
  const Tensors params = checkpoints::parameters();
  agmohd::AGMOHD optimizer(
      params,
      agmohd::AGMOHDOptions(1.0).lr_schedule(agmohd::schedule::Shape::cosine).total_steps(10));
  optimizer.updates(8);
  EXPECT_EQ(optimizer.updates(), 8);
  checkpoints::run(optimizer, params, 0, 1);
  EXPECT_EQ(optimizer.updates(), 9);
  EXPECT_LT(optimizer.records().back().lr, 0.2) << "the schedule follows";
  expect_error([&] { optimizer.updates(-1); }, {"updates = -1", "at least 0"});
}

TEST(Overridden, OptionsOfTheProgramAreNamed) {
  const Tensors params = checkpoints::parameters();
  agmohd::AGMOHD saved(params, agmohd::AGMOHDOptions(0.01).total_steps(100));
  checkpoints::run(saved, params, 0, 3);
  const auto warnings_of = [&](const agmohd::AGMOHDOptions& options, int loads) {
    agmohd::AGMOHD loaded(params, options);
    Warnings warnings;
    for (int i = 0; i < loads; ++i) pass(saved, loaded);
    EXPECT_EQ(loaded.options().total_steps(), 100);
    return warnings.texts;
  };
  EXPECT_TRUE(warnings_of(agmohd::AGMOHDOptions(0.01).total_steps(100), 1).empty());
  EXPECT_TRUE(warnings_of({}, 1).empty()) << "the program had set nothing";
  const Texts texts =
      warnings_of(agmohd::AGMOHDOptions(0.02).total_steps(1000).betas({0.5, 0.6}), 2);
  ASSERT_EQ(texts.size(), 1U) << "once";
  expect_in(texts[0], {"total_steps is 100, not 1000", "lr of group 0 is 0.01, not 0.02",
                       "betas of group 0 is (0.9, 0.999), not (0.5, 0.6)", "after the load"});
}

}  // namespace
