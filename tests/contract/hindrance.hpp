// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
// HindranceContract: what every hindrance policy must do.

#include <gtest/gtest.h>

#include <agmohd/agmohd.hpp>
#include <cmath>
#include <limits>
#include <vector>

#include "options.hpp"
#include "samples.hpp"
#include "tensors.hpp"
#include "trained.hpp"

template <class Hindrance>
class HindranceContract : public testing::Test {
 protected:
  using Recipe = agmohd::Recipe<agmohd::rule::SGD, Hindrance, agmohd::gradient::AdaptiveClip>;
  using Options = typename agmohd::Optimizer<Recipe>::Options;

  /// Signals from calm to broken.
  static std::vector<agmohd::Signals> signals() {
    constexpr double inf = std::numeric_limits<double>::infinity();
    constexpr double nan = std::numeric_limits<double>::quiet_NaN();
    std::vector<agmohd::Signals> out;
    for (const double norm : {0.0, 1e-30, 1e-3, 1.0, 1e3, 1e30, inf, nan}) {
      for (const double loss : {nan, 0.0, 1.0, -1.0, 1e30, inf}) {
        out.push_back({norm * norm, norm, std::isfinite(norm) ? 0 : 1, loss, !std::isnan(loss)});
      }
    }
    return out;
  }
};

TYPED_TEST_SUITE_P(HindranceContract);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(HindranceContract);

TYPED_TEST_P(HindranceContract, Bounds) {
  contract::expect_bounds<TypeParam>();
  contract::expect_unique_names(TypeParam::fields);
}

TYPED_TEST_P(HindranceContract, VerdictsAreInRange) {
  for (const auto& sample : contract::Sample<TypeParam>::options()) {
    typename TypeParam::Memory memory{};
    for (int round = 0; round < 3; ++round) {
      for (const agmohd::Signals& s : TestFixture::signals()) {
        const agmohd::Verdict v = TypeParam::judge(sample, s, memory);
        EXPECT_TRUE(v.level >= 0 && v.level <= 1) << v.level;
        EXPECT_TRUE(v.lr_factor >= 0 && v.lr_factor <= 1) << v.lr_factor;
        EXPECT_GT(v.norm_bound, 0);
      }
    }
  }
}

TYPED_TEST_P(HindranceContract, IsDeterministic) {
  for (const auto& sample : contract::Sample<TypeParam>::options()) {
    typename TypeParam::Memory a{}, b{};
    for (const agmohd::Signals& s : TestFixture::signals()) {
      const agmohd::Verdict v = TypeParam::judge(sample, s, a), w = TypeParam::judge(sample, s, b);
      EXPECT_EQ(v.level, w.level);
      EXPECT_EQ(v.lr_factor, w.lr_factor);
      EXPECT_EQ(v.norm_bound, w.norm_bound);
      EXPECT_EQ(v.skip, w.skip);
      EXPECT_TRUE(contract::same_bits(contract::doubles(a), contract::doubles(b)));
    }
  }
}

TYPED_TEST_P(HindranceContract, BackendsAgree) {
  for (const auto& sample : contract::Sample<TypeParam>::options()) {
    contract::expect_backends_agree<typename TestFixture::Recipe>(
        typename TestFixture::Options(0.01).template set<TypeParam>(sample));
  }
}

TYPED_TEST_P(HindranceContract, ResumesBitForBit) {
  for (const auto& sample : contract::Sample<TypeParam>::options()) {
    contract::expect_resumes<typename TestFixture::Recipe>(
        typename TestFixture::Options(0.01).template set<TypeParam>(sample), at::kFloat);
  }
}

REGISTER_TYPED_TEST_SUITE_P(HindranceContract, Bounds, VerdictsAreInRange, IsDeterministic,
                            BackendsAgree, ResumesBitForBit);
