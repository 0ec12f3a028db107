// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
// RuleContract: what every rule must do. A sample may have first(options, lr, p, g): the parameter
// after the first update, by hand; lr, with which 300 steps halve a quadratic; golden, the stem of
// the file in golden/ whose scenarios the rule follows; and remembers_rate, if the rule's memory
// holds a learning rate, so that a restored memory is equal only in what the next step makes of it.

#include <gtest/gtest.h>

#include <agmohd/agmohd.hpp>
#include <cmath>
#include <cstdint>
#include <limits>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "options.hpp"
#include "rule_fixture.hpp"
#include "samples.hpp"
#include "tensors.hpp"
#include "trained.hpp"

TYPED_TEST_SUITE_P(RuleContract);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(RuleContract);

TYPED_TEST_P(RuleContract, Bounds) { contract::expect_bounds<TypeParam>(); }

TYPED_TEST_P(RuleContract, NamesAreUnique) {
  contract::expect_unique_names(TypeParam::fields);
  std::set<std::string> names{"step", "agmohd_memory", "agmohd_guard"};  // keys of a saved state
  for (const char* name : agmohd::States<typename TestFixture::Recipe>::names) {
    EXPECT_TRUE(names.insert(name).second) << name;
  }
  this->each([](const auto& sample) {
    EXPECT_EQ(TypeParam::slots(sample) >> TypeParam::slot_names.size(), 0U);
  });
}

TYPED_TEST_P(RuleContract, FollowsItsPeer) { this->follow(torch::kCPU); }

TYPED_TEST_P(RuleContract, FollowsItsPeerOnCudaAndEqualsTheCpu) { this->follow(torch::kCUDA); }

TYPED_TEST_P(RuleContract, ScalarsAndVectorsAgreeBitForBit) {
  this->each([](const auto& sample) {
    for (std::int64_t size = 1; size <= 20; ++size) {
      EXPECT_TRUE(contract::same_bits(TestFixture::template on<float>(sample, size),
                                      TestFixture::template on<agmohd::vec<float>>(sample, size)));
      EXPECT_TRUE(contract::same_bits(TestFixture::template on<double>(sample, size),
                                      TestFixture::template on<agmohd::vec<double>>(sample, size)));
    }
  });
}

TYPED_TEST_P(RuleContract, OptimizerFollowsScalarsBitForBit) {
  this->each([](const auto& sample) {
    TestFixture::template expect_follows_scalars<float>(sample);
    TestFixture::template expect_follows_scalars<double>(sample);
  });
}

TYPED_TEST_P(RuleContract, TensorBackendAgrees) {
  this->each([](const auto& sample) {
    contract::expect_backends_agree<typename TestFixture::Recipe>(
        typename TestFixture::Options(TestFixture::lr).template set<TypeParam>(sample));
  });
}

TYPED_TEST_P(RuleContract, ZeroGradientsLeaveAllFinite) {
  this->each([](const auto& sample) {
    for (const at::ScalarType dtype : contract::kDtypes) {
      contract::Trained<typename TestFixture::Recipe> trained(
          typename TestFixture::Options(TestFixture::lr).template set<TypeParam>(sample), dtype);
      EXPECT_TRUE(contract::all_finite(trained.run(0, 5, 0).now())) << dtype;
      EXPECT_TRUE(contract::all_finite(trained.run(5, 8).run(8, 11, 0).now())) << dtype;
    }
  });
}

/// Squares of 1e30 are no float32, and 1e-38 is next to none.
TYPED_TEST_P(RuleContract, HugeAndTinyGradientsLeaveAllFinite) {
  this->each([](const auto& sample) {
    for (const at::ScalarType dtype : {at::kFloat, at::kDouble, at::kBFloat16}) {
      for (const bool reference : {false, true}) {
        contract::Trained<typename TestFixture::Recipe> trained(
            typename TestFixture::Options(TestFixture::lr)
                .template set<TypeParam>(sample)
                .template set<contract::SkipAbove>({.limit = 1e36}),
            dtype, reference);
        trained.run(0, 2).run(2, 4, 1e30).run(4, 6, 1e-38).run(6, 9);
        EXPECT_EQ(trained.optimizer.updates(), 9);
        EXPECT_TRUE(contract::all_finite(trained.now())) << dtype;
        if constexpr (std::is_base_of_v<agmohd::rule::Moments, TypeParam>) {
          for (const at::Tensor& param : trained.params) {  // a step is about as long as ever
            if (param.numel() == 0) continue;
            EXPECT_LT(param.detach().abs().max().template item<double>(), 10);
          }
        }
      }
    }
  });
}

TYPED_TEST_P(RuleContract, FirstStepIsTheFormula) {
  using Sample = contract::Sample<TypeParam>;
  if constexpr (requires(typename TypeParam::Options o) { Sample::first(o, 0.1, 0.1, 0.1); }) {
    this->each([](const auto& sample) {
      at::Tensor p = contract::random({50}, 3).requires_grad_();
      p.mutable_grad() = contract::random({50}, 4);
      const std::vector<double> before = contract::values<double>(p);
      const std::vector<double> g = contract::values<double>(p.grad());
      typename TestFixture::Optimizer optimizer(
          {p}, typename TestFixture::Options(TestFixture::lr).template set<TypeParam>(sample));
      optimizer.step();
      const std::vector<double> after = contract::values<double>(p);
      for (std::size_t i = 0; i < after.size(); ++i) {
        EXPECT_NEAR(after[i], Sample::first(sample, TestFixture::lr, before[i], g[i]), 1e-14);
      }
    });
  } else {
    GTEST_SKIP() << "Sample has no first()";
  }
}

TYPED_TEST_P(RuleContract, DescendsAQuadratic) {
  this->each([](const auto& sample) {
    const at::Tensor curvature = contract::random({40}, 8).abs() + 0.5;
    at::Tensor p = contract::random({40}, 9).requires_grad_();
    double rate = TestFixture::lr;
    if constexpr (requires { contract::Sample<TypeParam>::lr; }) {
      rate = contract::Sample<TypeParam>::lr;
    }
    typename TestFixture::Optimizer optimizer(
        {p}, typename TestFixture::Options(rate).template set<TypeParam>(sample));
    const auto loss = [&] {
      return (curvature * p.detach().square()).sum().template item<double>();
    };
    const double before = loss();
    for (int step = 0; step < 300; ++step) {
      p.mutable_grad() = TestFixture::sign(sample) * curvature * p.detach();
      optimizer.step();
    }
    EXPECT_LT(loss(), 0.5 * before);
  });
}

TYPED_TEST_P(RuleContract, ResumesBitForBit) {
  this->each([](const auto& sample) {
    for (const at::ScalarType dtype : contract::kDtypes) {
      SCOPED_TRACE(c10::toString(dtype));
      contract::expect_resumes<typename TestFixture::Recipe>(
          typename TestFixture::Options(TestFixture::lr).template set<TypeParam>(sample), dtype);
    }
  });
}

TYPED_TEST_P(RuleContract, IsDeterministicForAnyNumberOfThreads) {
  using Trained = contract::Trained<typename TestFixture::Recipe>;
  this->each([](const auto& sample) {
    const auto run = [&](int threads) {
      const contract::Threads guard(threads);
      Trained trained(typename Trained::Options(TestFixture::lr).template set<TypeParam>(sample),
                      at::kFloat, false,
                      {contract::random({70001}, 1).to(at::kFloat).requires_grad_(),
                       contract::random({3, 5}, 2).to(at::kFloat).requires_grad_()});
      trained.run(0, 4);
      return std::make_pair(trained.now(), trained.optimizer.signals().norm2);
    };
    const auto [once, norm] = run(1);
    for (const int threads : {1, 2, 5}) {
      const auto [again, norm_again] = run(threads);
      contract::expect_same(once, again);
      EXPECT_EQ(norm, norm_again);
    }
  });
}

TYPED_TEST_P(RuleContract, SkippedStepLeavesEveryBit) {
  using Trained = contract::Trained<typename TestFixture::Recipe>;
  this->each([](const auto& sample) {
    for (const bool reference : {false, true}) {
      const auto options =
          typename Trained::Options(TestFixture::lr).template set<TypeParam>(sample);
      Trained skipping(options, at::kFloat, reference), calm(options, at::kFloat, reference);
      skipping.run(0, 3);
      const contract::Snapshot before = skipping.now();
      skipping.run(3, 5, 1e9);
      skipping.run(3, 4, std::numeric_limits<double>::quiet_NaN());
      contract::expect_same(skipping.now(), before);
      contract::expect_same(skipping.run(3, 6).now(), calm.run(0, 6).now());
    }
  });
}

TYPED_TEST_P(RuleContract, RestoreEqualsSoManyUpdates) {
  if (agmohd::has::wants<TypeParam>) GTEST_SKIP() << "its memory depends on the gradients";
  this->each([](const auto& sample) {
    double beta1 = 0;
    if constexpr (agmohd::has::beta1<TypeParam>) beta1 = TypeParam::beta1(sample);
    typename TypeParam::Memory memory{};
    const typename TestFixture::Recipe::Memory whole{};
    const auto at = [&](std::int64_t step, typename TypeParam::Memory& m) {
      return agmohd::detail::rule_at<double, TypeParam>(sample, {step, TestFixture::lr, {beta1, 0}},
                                                        m, whole);
    };
    for (std::int64_t step = 0; step <= 1000; ++step) {
      if (step > 0) at(step, memory);
      auto stepped = contract::doubles(memory);
      auto restored = contract::doubles(TypeParam::restore(sample, step));
      if constexpr (requires { contract::Sample<TypeParam>::remembers_rate; }) {
        const auto next = [&](typename TypeParam::Memory m) {
          return contract::doubles(at(step + 1, m));
        };
        stepped = next(memory), restored = next(TypeParam::restore(sample, step));
      }
      for (std::size_t i = 0; i < stepped.size(); ++i) {
        ASSERT_NEAR(restored[i], stepped[i], 1e-12 * std::abs(stepped[i]) + 1e-300)
            << "step " << step;
      }
    }
  });
}

REGISTER_TYPED_TEST_SUITE_P(RuleContract, Bounds, NamesAreUnique, FollowsItsPeer,
                            FollowsItsPeerOnCudaAndEqualsTheCpu, ScalarsAndVectorsAgreeBitForBit,
                            OptimizerFollowsScalarsBitForBit, TensorBackendAgrees,
                            ZeroGradientsLeaveAllFinite, HugeAndTinyGradientsLeaveAllFinite,
                            FirstStepIsTheFormula, DescendsAQuadratic, ResumesBitForBit,
                            IsDeterministicForAnyNumberOfThreads, SkippedStepLeavesEveryBit,
                            RestoreEqualsSoManyUpdates);
