// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
// MomentumContract: what every momentum policy must do.

#include <gtest/gtest.h>

#include <agmohd/agmohd.hpp>

#include "options.hpp"
#include "samples.hpp"
#include "trained.hpp"

template <class Momentum>
class MomentumContract : public testing::Test {
 protected:
  using Recipe = agmohd::Recipe<agmohd::rule::AdamW, contract::SkipAbove, Momentum>;
  using Options = typename agmohd::Optimizer<Recipe>::Options;
};

TYPED_TEST_SUITE_P(MomentumContract);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(MomentumContract);

TYPED_TEST_P(MomentumContract, Bounds) {
  contract::expect_bounds<TypeParam>();
  contract::expect_unique_names(TypeParam::fields);
}

TYPED_TEST_P(MomentumContract, BlendsStayInRange) {
  for (const auto& sample : contract::Sample<TypeParam>::options()) {
    typename TypeParam::Memory memory{};
    for (int step = 0; step < 200; ++step) {
      TypeParam::advance(sample, {.level = step % 10 / 9.0, .hindered = step % 10 > 2}, memory);
      for (const double beta1 : {0.0, 0.5, 0.9, 0.999}) {
        const agmohd::Blend blend = TypeParam::blend(sample, memory, beta1);
        EXPECT_TRUE(blend.beta1 >= 0 && blend.beta1 < 1) << blend.beta1;
        EXPECT_TRUE(blend.look >= 0 && blend.look <= 1) << blend.look;
      }
    }
  }
}

TYPED_TEST_P(MomentumContract, SkippedStepLeavesItsMemory) {
  using Trained = contract::Trained<typename TestFixture::Recipe>;
  for (const auto& sample : contract::Sample<TypeParam>::options()) {
    Trained skipping(typename TestFixture::Options(0.01).template set<TypeParam>(sample)),
        calm(typename TestFixture::Options(0.01).template set<TypeParam>(sample));
    skipping.run(0, 3).run(3, 6, 1e9);
    contract::expect_same(skipping.run(3, 6).now(), calm.run(0, 6).now());
  }
}

TYPED_TEST_P(MomentumContract, BackendsAgree) {
  for (const auto& sample : contract::Sample<TypeParam>::options()) {
    contract::expect_backends_agree<typename TestFixture::Recipe>(
        typename TestFixture::Options(0.01).template set<TypeParam>(sample));
  }
}

TYPED_TEST_P(MomentumContract, ResumesBitForBit) {
  for (const auto& sample : contract::Sample<TypeParam>::options()) {
    contract::expect_resumes<typename TestFixture::Recipe>(
        typename TestFixture::Options(0.01).template set<TypeParam>(sample), at::kFloat);
  }
}

REGISTER_TYPED_TEST_SUITE_P(MomentumContract, Bounds, BlendsStayInRange, SkippedStepLeavesItsMemory,
                            BackendsAgree, ResumesBitForBit);
